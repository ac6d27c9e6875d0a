"""The program language: a loop-free subset of Python, parsed once into a small tree of our own.

    program    = { statement NEWLINE }
    statement  = NAME "=" expression | call
    expression = arithmetic [ compare arithmetic ]  |  expression "if" expression "else" expression
    compare    = "<" | "<=" | ">" | ">=" | "==" | "!="
    arithmetic = with the precedence of Python: "+" "-" "*" "/", unary "-", parentheses
    primary    = NAME | NUMBER | STRING | TEMPLATE | call | "(" expression ")"
    call       = NAME "(" [ argument { "," argument } ] ")"
    argument   = expression | NAME "=" expression
    TEMPLATE   = f"…{NAME}…"        bare names only: no attribute, no format, no conversion

Every program is a Python program with the same meaning, so that a language model trained on Python
has nothing to unlearn. Text is composed by templates and by nothing else: a template binds each
name where it stands, and braces in a string without ``f`` are an error, so the one slip that small
models make (a forgotten ``f``) is told to them instead of printed. The conditional expression is
there because a comparison is of no use without it; ``and``, ``or``, ``not``, truth values and
``None`` are not needed and not there.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from sagittal.agent.budget import Budget
from sagittal.agent.faults import ProgramError
from sagittal.agent.scanner import scan


@dataclass(frozen=True)
class Number:
    """A literal number."""

    value: int | float


@dataclass(frozen=True)
class String:
    """A literal text."""

    value: str


@dataclass(frozen=True)
class Name:
    """The value of a variable."""

    id: str


@dataclass(frozen=True)
class Template:
    """Text with the values of variables in it."""

    parts: tuple[str | Name, ...]


@dataclass(frozen=True)
class Negate:
    """−x."""

    operand: Expression


@dataclass(frozen=True)
class Arithmetic:
    """Two numbers and one of ``+ - * /``."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True)
class Comparison:
    """Two values and one of ``< <= > >= == !=``."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True)
class Choice:
    """``yes if condition else no``; only the one that is chosen is evaluated."""

    yes: Expression
    condition: Expression
    no: Expression


@dataclass(frozen=True)
class Call:
    """A call of a library function.

    ``index`` counts the program's calls from 0 in the order in which they begin in its text, so that
    what a model attaches to its calls (modulation vectors, say) finds them.
    """

    function: str
    arguments: tuple[Expression, ...]
    keywords: tuple[tuple[str, Expression], ...]
    index: int


Expression = Number | String | Name | Template | Negate | Arithmetic | Comparison | Choice | Call


@dataclass(frozen=True)
class Statement:
    """One line: an expression, kept under ``target`` unless that is ``None``."""

    target: str | None
    expression: Expression
    line: int


@dataclass(frozen=True)
class Program:
    """Statements in order. ``str(program)`` is its text in one canonical form, which parses to itself."""

    statements: tuple[Statement, ...]

    def __str__(self) -> str:
        return "\n".join(statement_source(s) for s in self.statements)

    def calls(self) -> Iterator[Call]:
        """All calls, in the order of their index."""
        for statement in self.statements:
            yield from _calls(statement.expression)


_ARITHMETIC = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_COMPARISONS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
_STATEMENT = "NAME = expression, or a call of a library function"


def parse(source: str, budget: Budget | None = None) -> Program:
    """Read a program.

    Args:
        source: the text as the language model wrote it.
        budget: limits on its length and nesting.

    Raises:
        ProgramError: the text is not a program of the language, with the line where that shows.
    """
    budget = budget or Budget()
    clean = scan(source, budget)
    try:
        # For its message about a fault, Python opens the file that the text is said to come from: none.
        tree = ast.parse(clean, filename="")
    except SyntaxError as error:
        # Python's own message differs from version to version, and the agent is trained on ours.
        raise ProgramError(
            "syntax", "This is not a statement of the language.", expected=_STATEMENT, line=error.lineno
        ) from None
    if not tree.body:
        raise ProgramError("empty", "The program is empty.", expected=_STATEMENT, line=1)
    return _Reader(budget).program(tree)


class _Reader:
    """From Python's tree to ours, by allow-list. The scanner has bounded its depth."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.calls = 0

    def program(self, tree: ast.Module) -> Program:
        return Program(tuple(self._statement(node) for node in tree.body))

    def _statement(self, node: ast.stmt) -> Statement:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            return Statement(node.targets[0].id, self._expression(node.value), node.lineno)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            return Statement(None, self._expression(node.value), node.lineno)
        raise ProgramError(
            "statement", "This is not a statement of the language.", expected=_STATEMENT, line=node.lineno
        )

    def _expression(self, node: ast.expr) -> Expression:
        match node:
            case ast.Name():
                return Name(node.id)
            case ast.Constant():
                return self._literal(node)
            case ast.JoinedStr():
                return Template(tuple(self._part(part) for part in node.values))
            case ast.UnaryOp(op=ast.USub()):
                return Negate(self._expression(node.operand))
            case ast.BinOp() if type(node.op) in _ARITHMETIC:
                left = self._expression(node.left)
                return Arithmetic(_ARITHMETIC[type(node.op)], left, self._expression(node.right))
            case ast.Compare(ops=[op], comparators=[right]) if type(op) in _COMPARISONS:
                left = self._expression(node.left)
                return Comparison(_COMPARISONS[type(op)], left, self._expression(right))
            case ast.Compare():
                raise self._fault(node, "chained-comparison", "A comparison has two sides.")
            case ast.IfExp():
                yes, condition = self._expression(node.body), self._expression(node.test)
                return Choice(yes, condition, self._expression(node.orelse))
            case ast.Call():
                return self._call(node)
            case ast.Tuple():
                raise self._fault(node, "tuple", "Tuples are not part of the language.")
            case ast.Starred():
                raise self._fault(node, "star-argument", "Star arguments are not part of the language.")
            case _:
                raise self._fault(node, "expression", "This expression is not part of the language.")

    def _literal(self, node: ast.Constant) -> Number | String:
        value = node.value
        if type(value) is str:
            return String(value)
        if type(value) is int or type(value) is float:
            if value <= self.budget.number:
                return Number(value)
            raise self._fault(node, "budget", f"A number is greater than {self.budget.number:g}.")
        raise self._fault(node, "expression", "This literal is not part of the language.")

    def _part(self, node: ast.expr) -> str | Name:
        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.FormattedValue(value=ast.Name(id=name), conversion=-1, format_spec=None):
                return Name(name)
            case _:
                raise self._fault(node, "template", "A template holds bare names only.")

    def _call(self, node: ast.Call) -> Call:
        if not isinstance(node.func, ast.Name):
            raise self._fault(node, "call", "Only a library function can be called, by its name.")
        index = self.calls
        self.calls += 1
        arguments = tuple(self._expression(a) for a in node.args)
        keywords: dict[str, Expression] = {}
        for word in node.keywords:
            if word.arg is None:
                raise self._fault(node, "star-argument", "Star arguments are not part of the language.")
            # Python notices this only when it compiles.
            if word.arg in keywords:
                raise self._fault(node, "syntax", f"The argument {word.arg} is given twice.")
            keywords[word.arg] = self._expression(word.value)
        return Call(node.func.id, arguments, tuple(keywords.items()), index)

    def _fault(self, node: ast.expr, code: str, message: str) -> ProgramError:
        return ProgramError(code, message, line=node.lineno)


def _calls(node: Expression) -> Iterator[Call]:
    match node:
        case Call():
            yield node
            for child in (*node.arguments, *(value for _, value in node.keywords)):
                yield from _calls(child)
        case Arithmetic() | Comparison():
            yield from _calls(node.left)
            yield from _calls(node.right)
        case Choice():
            for child in (node.yes, node.condition, node.no):
                yield from _calls(child)
        case Negate():
            yield from _calls(node.operand)


# -- canonical text ------------------------------------------------------------------------------

# How tightly a node binds: a child that binds less tightly than its place needs parentheses.
_CHOICE, _COMPARISON, _SUM, _PRODUCT, _UNARY, _PRIMARY = range(6)
_LEVEL = {"+": _SUM, "-": _SUM, "*": _PRODUCT, "/": _PRODUCT}


def statement_source(statement: Statement) -> str:
    """A statement as text, in canonical form."""
    text = source_of(statement.expression)
    return text if statement.target is None else f"{statement.target} = {text}"


def source_of(node: Expression, level: int = _CHOICE) -> str:
    """An expression as text, in canonical form; in parentheses where it binds less than ``level``."""
    text, own = _source(node)
    return text if own >= level else f"({text})"


def _source(node: Expression) -> tuple[str, int]:
    match node:
        case Number():
            return repr(node.value), _PRIMARY
        case String():
            return _quoted(node.value), _PRIMARY
        case Name():
            return node.id, _PRIMARY
        case Template():
            return "f" + _quoted("".join(p if isinstance(p, str) else f"{{{p.id}}}" for p in node.parts)), (
                _PRIMARY
            )
        case Negate():
            return "-" + source_of(node.operand, _UNARY), _UNARY
        case Arithmetic():
            own = _LEVEL[node.operator]
            left, right = source_of(node.left, own), source_of(node.right, own + 1)
            return f"{left} {node.operator} {right}", own
        case Comparison():
            left, right = source_of(node.left, _SUM), source_of(node.right, _SUM)
            return f"{left} {node.operator} {right}", _COMPARISON
        case Choice():
            yes, condition = source_of(node.yes, _COMPARISON), source_of(node.condition, _COMPARISON)
            return f"{yes} if {condition} else {source_of(node.no)}", _CHOICE
        case Call():
            arguments = [source_of(a) for a in node.arguments]
            arguments += [f"{name}={source_of(value)}" for name, value in node.keywords]
            return f"{node.function}({', '.join(arguments)})", _PRIMARY


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '\\"') + '"'
