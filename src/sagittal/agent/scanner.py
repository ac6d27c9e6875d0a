"""The gate before the parser: a program's characters and tokens, by allow-list.

Python's parser can be exhausted (deep nesting, huge integers) and reads more than we want. So a
program's text is first cut into tokens here, in one pass without recursion, and only names, decimal
numbers, plain strings and a dozen operators come through. What passes is small and shallow.
"""

from __future__ import annotations

import keyword
import re

from sagittal.agent.budget import Budget
from sagittal.agent.faults import ProgramError
from sagittal.agent.text import MARKUP, strange_character

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_FIELD = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
# Enough for every number that Python prints; the value itself is checked by the parser.
_MOST_DIGITS = 25
_OPERATORS = ("==", "!=", "<=", ">=", "+", "-", "*", "/", "<", ">", "=", "(", ")", ",")
_COUNTED = frozenset(_OPERATORS) - {"=", "(", ")", ","}

# What else Python would read here: the first that fits names the fault.
_REFUSED_OPERATORS = (
    ("**", "power", "Powers are not part of the language."),
    ("//", "integer-division", "Integer division is not part of the language."),
    ("->", "annotation", "Annotations are not part of the language."),
    (":=", "walrus", "Assignment inside an expression is not part of the language."),
    ("<<", "bit-operation", "Bit operations are not part of the language."),
    (">>", "bit-operation", "Bit operations are not part of the language."),
    (".", "attribute", "Attributes are not part of the language."),
    ("[", "subscript", "Lists and subscripts are not part of the language."),
    ("]", "subscript", "Lists and subscripts are not part of the language."),
    ("{", "braces", "Dictionaries and sets are not part of the language."),
    ("}", "braces", "Dictionaries and sets are not part of the language."),
    (":", "block", "Blocks, slices and annotations (':') are not part of the language."),
    ("@", "decorator", "Decorators and matrix products are not part of the language."),
    ("%", "modulo", "The operator % is not part of the language."),
    ("~", "bit-operation", "Bit operations are not part of the language."),
    ("^", "bit-operation", "Bit operations are not part of the language."),
    ("&", "bit-operation", "Bit operations are not part of the language."),
    ("|", "bit-operation", "Bit operations are not part of the language."),
    (";", "semicolon", "Each statement stands on a line of its own."),
    ("\\", "backslash", "A line is continued inside parentheses, not by a backslash."),
)
_REFUSED_WORDS = {
    **dict.fromkeys(("for", "while", "break", "continue"), "loop"),
    **dict.fromkeys(("import", "from"), "import"),
    **dict.fromkeys(("def", "return", "yield", "lambda"), "function-definition"),
    **dict.fromkeys(("try", "except", "finally", "raise", "assert"), "exception"),
    **dict.fromkeys(("async", "await"), "async"),
    **dict.fromkeys(("global", "nonlocal"), "scope"),
    **dict.fromkeys(("and", "or", "not", "in", "is"), "word-operator"),
    **dict.fromkeys(("True", "False", "None"), "constant"),
    "class": "class-definition",
    "del": "delete",
    "with": "with",
    "pass": "pass",
}


def scan(source: str, budget: Budget) -> str:
    """Check a program's text and return it as the parser may read it: comments blanked, one kind of line end.

    Raises:
        ProgramError: the text is too long, or holds something that is not part of the language.
    """
    if len(source) > budget.characters:
        raise ProgramError(
            "budget",
            "The program is too long.",
            expected=f"at most {budget.characters} characters",
            got=f"{len(source)}",
        )
    return _Scanner(source.replace("\r\n", "\n"), budget).run()


class _Scanner:
    """One pass over the text; ``at`` is the next character."""

    def __init__(self, source: str, budget: Budget) -> None:
        self.source, self.budget = source, budget
        self.at, self.line = 0, 1
        self.depth = self.tokens = self.operators = 0
        self.after_string = False
        self.kept: list[str] = []

    def run(self) -> str:
        start_of_line = True
        while self.at < len(self.source):
            character = self.source[self.at]
            if start_of_line and character == " " and self.depth == 0 and self._holds_something():
                raise self._fault("indentation", "A statement starts at the beginning of its line.")
            start_of_line = character == "\n"
            self._next(character)
        if self.depth:
            raise self._fault("syntax", "A parenthesis is not closed.")
        return "".join(self.kept)

    def _next(self, character: str) -> None:
        if character == "\n":
            self._end_of_line()
        elif character == " ":
            self._keep(1)
        elif character == "#":
            self._comment()
        elif character in "\"'":
            self._string(template=False)
        elif name := _NAME.match(self.source, self.at):
            self._word(name.group())
        elif number := _NUMBER.match(self.source, self.at):
            self._number(number.group())
        else:
            self._operator(character)

    def _keep(self, length: int) -> None:
        self.kept.append(self.source[self.at : self.at + length])
        self.at += length

    def _token(self, length: int, *, string: bool = False) -> None:
        if string and self.after_string:
            raise self._fault("string-pair", "Two strings side by side are not joined: write one.")
        self.after_string = string
        self.tokens += 1
        if self.tokens > self.budget.tokens:
            raise self._fault(
                "budget", "The program has too many tokens.", expected=f"at most {self.budget.tokens}"
            )
        self._keep(length)

    def _count_operator(self) -> None:
        self.operators += 1
        if self.operators > self.budget.operators:
            raise self._fault(
                "budget",
                "The statement has too many operators.",
                expected=f"at most {self.budget.operators}",
                remedy="keep parts of it in variables",
            )

    def _end_of_line(self) -> None:
        self._keep(1)
        self.line += 1
        if self.depth == 0:
            self.operators, self.after_string = 0, False

    def _holds_something(self) -> bool:
        end = self.source.find("\n", self.at)
        rest = self.source[self.at : end if end >= 0 else len(self.source)].strip(" ")
        return bool(rest) and not rest.startswith("#")

    def _comment(self) -> None:
        end = self.source.find("\n", self.at)
        end = end if end >= 0 else len(self.source)
        self._check_characters(self.source[self.at : end], frozenset())
        self.at = end

    def _word(self, word: str) -> None:
        after = self.source[self.at + len(word) : self.at + len(word) + 1]
        if after and after in "\"'":
            if word != "f":
                raise self._fault("string-prefix", "A string has no prefix but f.", got=word)
            self._keep(1)
            self._string(template=True)
            return
        if word in ("if", "else"):
            self._count_operator()
        else:
            check_name(word, self.line, self.budget)
        self._token(len(word))

    def _number(self, number: str) -> None:
        after = self.source[self.at + len(number) : self.at + len(number) + 1]
        if after.isalnum() or after == "_":
            raise self._fault("number", "Numbers are plain decimals.", got=number[:20] + after)
        digits = number.split("e")[0].split("E")[0].replace(".", "")
        exponent = number.lower().partition("e")[2].lstrip("+-")
        if len(digits) > _MOST_DIGITS or len(exponent) > 2:
            raise self._fault(
                "budget", "A number has too many digits.", expected=f"at most {_MOST_DIGITS} digits"
            )
        if len(digits) > 1 and digits[0] == "0" and "." not in number:
            raise self._fault("number", "Numbers do not start with 0.", got=number)
        self._token(len(number))

    def _operator(self, character: str) -> None:
        for sign, code, message in _REFUSED_OPERATORS:
            if self.source.startswith(sign, self.at):
                raise self._fault(code, message, got=f"'{sign}'")
        for sign in _OPERATORS:
            if self.source.startswith(sign, self.at):
                self._parenthesis(sign)
                if sign in _COUNTED:
                    self._count_operator()
                self._token(len(sign))
                return
        self._check_characters(character, frozenset())
        raise self._fault(
            "character",
            "This character is not part of the language.",
            expected="ASCII letters, digits and operators outside strings",
            got=f"'{character}'",
        )

    def _parenthesis(self, sign: str) -> None:
        self.depth += {"(": 1, ")": -1}.get(sign, 0)
        if self.depth > self.budget.depth:
            raise self._fault(
                "budget", "Parentheses are nested too deeply.", expected=f"at most {self.budget.depth}"
            )
        if self.depth < 0:
            raise self._fault("syntax", "A parenthesis is closed that was not opened.")

    def _string(self, *, template: bool) -> None:
        quote = self.source[self.at]
        end = self.at + 1
        while end < len(self.source) and self.source[end] not in (quote, "\n"):
            if self.source[end] == "\\" and self.source[end + 1 : end + 2] not in ('"', "'"):
                raise self._fault("escape", "The only escapes in a string are those of quotes.")
            end += 2 if self.source[end] == "\\" else 1
        if self.source[end : end + 1] != quote:
            raise self._fault("syntax", "A string is not closed on its line.")
        body = self.source[self.at + 1 : end]
        if not body and self.source[end + 1 : end + 2] == quote:
            raise self._fault("triple-quotes", "Strings stand between single quotation marks, on one line.")
        if len(body) > self.budget.text:
            raise self._fault(
                "budget", "A string is too long.", expected=f"at most {self.budget.text} characters"
            )
        self._body(body, template)
        self._token(end + 1 - self.at, string=True)

    def _body(self, body: str, template: bool) -> None:
        text = body.replace('\\"', '"').replace("\\'", "'")
        if template:
            for field in _FIELD.finditer(text):
                check_name(field.group(1), self.line, self.budget)
            text = _FIELD.sub("", text)
        if "{" in text or "}" in text:
            raise self._fault(
                "template",
                "Braces in a string name one variable, in a string that starts with f.",
                expected='for instance f"The volume is {v}."',
                got=body[:60],
            )
        self._check_characters(text, MARKUP)

    def _check_characters(self, text: str, also: frozenset[str]) -> None:
        strange = strange_character(text, also=also)
        if strange is not None:
            raise self._fault("character", "This character is not part of the language.", got=strange)

    def _fault(
        self,
        code: str,
        message: str,
        *,
        expected: str | None = None,
        got: str | None = None,
        remedy: str | None = None,
    ) -> ProgramError:
        return ProgramError(code, message, expected=expected, got=got, remedy=remedy, line=self.line)


def check_name(name: str, line: int | None, budget: Budget) -> None:
    """Refuse what is no name, a word of Python's, a name that starts with ``_`` and one that is too long.

    Raises:
        ProgramError: ``name`` may not stand for a variable or a function.
    """
    if name in _REFUSED_WORDS or keyword.iskeyword(name):
        code = _REFUSED_WORDS.get(name, "keyword")
        raise ProgramError(code, f"The word '{name}' is not part of the language.", line=line)
    if not _NAME.fullmatch(name):
        raise ProgramError("name", "A name is made of ASCII letters, digits and _.", got=name, line=line)
    if name.startswith("_"):
        raise ProgramError("private-name", "Names start with a letter.", got=name, line=line)
    if len(name) > budget.name:
        raise ProgramError(
            "budget", "A name is too long.", expected=f"at most {budget.name} characters", line=line
        )
