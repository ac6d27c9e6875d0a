"""Binds parameters, checks the whole grammar, marks what is withheld and builds counting nodes."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from sagittal.language.grammar_nodes import Branch, FieldNode, Node, RecordDraw, SymbolNode
from sagittal.language.grammar_source import (
    Alternative,
    Call,
    Definition,
    FieldMention,
    Located,
    Source,
    fault,
)
from sagittal.language.withholding import withheld_alternatives, withheld_records

MAX_DEPTH = 64
MAX_SYMBOLS = 50_000
MAX_PIECES = 20_000
"""Longest derivation, in pieces and characters. It also keeps the counts' digits within reason."""

Words = tuple[str, ...]
Used = frozenset[tuple[str, int]]


@dataclass(slots=True)
class Bound:
    """A definition with its parameters bound: for each alternative, what its mentions call."""

    definition: Definition
    calls: tuple[tuple[Words | FieldMention, ...], ...]
    used: Used
    pieces: int


class Compiler:
    """Turns one :class:`Source` into one :class:`SymbolNode` a root.

    Raises:
        ConfigError: an undefined or unused symbol, endless recursion, mentions of records that do not
            agree, or a grammar whose wordings would be absurdly long. Symbol and line are named.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.roots = {tuple(root.split()): root for root in source.roots}
        self.bound: dict[Words, Bound] = {}
        self._withheld_records = {
            table: withheld_records(table, entries) for table, entries in source.records.items()
        }
        self._patterns: dict[str, list[Definition]] = defaultdict(list)
        for definition in source.definitions.values():
            self._patterns[definition.words[0]].append(definition)

    def compile(self) -> dict[str, SymbolNode]:
        """Check and build everything; root name → node."""
        if not self.roots:
            raise fault("A grammar must name its roots.", "roots")
        for words, root in self.roots.items():
            if not words or "$" in root:
                raise fault(f"'{root}' cannot be a root.", root.where, expected="a name without parameters")
        for words, root in self.roots.items():
            self._bind(words, root, ())
        self._refuse_unused()
        withheld = self._withheld()
        nodes: dict[Words, SymbolNode] = {}
        # Insertion order is bottom-up: a symbol is entered after everything that it mentions.
        for words, bound in self.bound.items():
            nodes[words] = self._node(words, bound, nodes, withheld[bound.definition.name])
        return {str(root): nodes[words] for words, root in self.roots.items()}

    # --- binding ---

    def _find(self, words: Words, where: str) -> tuple[Definition, dict[str, Words]]:
        matches = []
        for definition in self._patterns[words[0]]:
            binding = _match(definition.words, words)
            if binding is not None:
                literal = sum(word[0] != "$" for word in definition.words)
                matches.append(((definition.words[-1] != "$*", literal), definition, binding))
        if not matches:
            raise fault(f"Symbol <{' '.join(words)}> is not defined.", where)
        matches.sort(key=lambda match: match[0])
        if len(matches) > 1 and matches[-1][0] == matches[-2][0]:
            names = f"'{matches[-1][1].name}' and '{matches[-2][1].name}'"
            raise fault(f"Symbol <{' '.join(words)}> fits both {names}.", where)
        return matches[-1][1], matches[-1][2]

    def _bind(self, words: Words, where: Located, path: tuple[Words, ...]) -> Bound:
        if words in path:
            loop = " → ".join(f"<{' '.join(step)}>" for step in (*path[path.index(words) :], words))
            raise fault(f"Symbol <{' '.join(words)}> never ends: {loop}.", where.where)
        if len(path) > MAX_DEPTH or len(self.bound) > MAX_SYMBOLS:
            raise fault("The grammar is nested too deeply or has too many symbols.", where.where)
        if words in self.bound:
            return self.bound[words]
        definition, binding = self._find(words, where.where)
        calls, uses, pieces = [], [], 1
        for alternative in definition.alternatives:
            called = tuple(_called(mention, binding) for mention in alternative.mentions)
            calls.append(called)
            used, size = self._follow(called, alternative, (*path, words))
            uses.append(used)
            pieces = max(pieces, size)
        if pieces > MAX_PIECES:
            raise fault(f"Symbol '{definition.name}' yields far too long a wording.", definition.name.where)
        used = self._agreed(words, definition, uses)
        self.bound[words] = Bound(definition, tuple(calls), used, pieces)
        return self.bound[words]

    def _follow(
        self, called: tuple[Words | FieldMention, ...], alternative: Alternative, path: tuple[Words, ...]
    ) -> tuple[Used, int]:
        used: set[tuple[str, int]] = set()
        pieces = 1 + sum(len(literal) for literal in alternative.literals)
        for call in called:
            if isinstance(call, FieldMention):
                self._check_field(call, alternative.text)
                used.add((call.table, call.index))
                pieces += 1
                continue
            below = self._bind(call, alternative.text, path)
            if call in self.roots and below.used:
                raise fault(
                    f"The root <{' '.join(call)}> draws records; no symbol may use it.",
                    alternative.text.where,
                )
            used |= below.used
            pieces += below.pieces
        return frozenset(used), pieces

    def _check_field(self, mention: FieldMention, text: Located) -> None:
        entries = self.source.records.get(mention.table)
        if entries is None:
            raise fault(f"There is no record table '{mention.table}'.", text.where)
        known = next(iter(entries.values()))
        if mention.field not in known:
            expected = ", ".join(known)
            raise fault(
                f"Records of '{mention.table}' have no field '{mention.field}'.",
                text.where,
                expected=expected,
            )

    def _agreed(self, words: Words, definition: Definition, uses: list[Used]) -> Used:
        """Every alternative must speak of the same records, or question and answer could part ways."""
        if words in self.roots:
            return frozenset().union(*uses)
        for used, alternative in zip(uses, definition.alternatives, strict=True):
            if used != uses[0]:
                raise fault(
                    f"The alternatives of symbol '{definition.name}' speak of different records.",
                    alternative.text.where,
                )
        return uses[0]

    # --- what is used, what is withheld ---

    def _refuse_unused(self) -> None:
        reached = {bound.definition.name for bound in self.bound.values()}
        for name, definition in self.source.definitions.items():
            if name not in reached | self.source.borrowed:
                raise fault(f"Symbol '{name}' is never used.", definition.name.where)
        used = {table for bound in self.bound.values() for table, _ in bound.used}
        for table in self.source.records:
            if table not in used:
                raise fault(f"Record table '{table}' is never used.", "records")
        for template in self.source.templates:
            if template not in reached:
                raise fault(f"Template symbol '{template}' is not defined.", template.where)

    def _withheld(self) -> dict[str, frozenset[str]]:
        templates: set[str] = {str(name) for name in self.source.templates}
        if not templates:
            templates = {str(self.bound[words].definition.name) for words in self.roots}
        outside: set[str] = set()
        stack, seen = list(self.roots), set(self.roots)
        while stack:
            bound = self.bound[stack.pop()]
            if bound.definition.name in templates:
                continue
            outside.add(bound.definition.name)
            below = {call for calls in bound.calls for call in calls if isinstance(call, tuple)}
            stack.extend(below - seen)
            seen |= below
        marks = {}
        for name, definition in self.source.definitions.items():
            inside = name not in outside
            marks[name] = (
                withheld_alternatives(definition, is_template=name in templates) if inside else frozenset()
            )
        return marks

    # --- nodes ---

    def _node(
        self, words: Words, bound: Bound, nodes: dict[Words, SymbolNode], withheld: frozenset[str]
    ) -> SymbolNode:
        branches = []
        for alternative, called in zip(bound.definition.alternatives, bound.calls, strict=True):
            literals = list(alternative.literals)
            factors: list[Node] = [
                FieldNode(call.table, call.index - 1, call.field)
                if isinstance(call, FieldMention)
                else nodes[call]
                for call in called
            ]
            if words in self.roots and bound.used:
                draws = self._draws(called, alternative)
                factors = [*draws, *factors]
                literals = [""] * len(draws) + literals
            branches.append(Branch(literals, factors, alternative.text in withheld))
        return SymbolNode(" ".join(words), branches)

    def _draws(self, called: tuple[Words | FieldMention, ...], alternative: Alternative) -> list[Node]:
        """A root's alternative draws the records that anything below it speaks of."""
        used: set[tuple[str, int]] = set()
        for call in called:
            used |= {(call.table, call.index)} if isinstance(call, FieldMention) else self.bound[call].used
        draws: list[Node] = []
        for table in sorted({table for table, _ in used}):
            indices = sorted(index for name, index in used if name == table)
            entries = self.source.records[table]
            fresh = self._withheld_records[table]
            kept = len(entries) - len(fresh)
            if indices != list(range(1, len(indices) + 1)) or len(indices) > kept:
                raise fault(
                    f"Records of '{table}' must be numbered from 1, and there must be enough of them.",
                    alternative.text.where,
                    expected=f"at most {kept}",
                )
            groups: tuple[list[tuple[str, dict[str, str]]], ...] = ([], [])
            for entry, fields in entries.items():
                groups[entry in fresh].append((str(entry), fields))
            draws.append(RecordDraw(table, len(indices), *groups))
        return draws


def _match(pattern: Words, words: Words) -> dict[str, Words] | None:
    rest = pattern[-1] == "$*"
    fixed = pattern[:-1] if rest else pattern
    if len(words) < len(pattern) or (not rest and len(words) != len(pattern)):
        return None
    binding: dict[str, Words] = {}
    for name, word in zip(fixed, words, strict=False):
        if name[0] == "$":
            binding[name] = (word,)
        elif name != word:
            return None
    if rest:
        binding["$*"] = words[len(fixed) :]
    return binding


def _called(mention: Call | FieldMention, binding: dict[str, Words]) -> Words | FieldMention:
    if isinstance(mention, FieldMention):
        return mention
    bound: list[str] = []
    for word in mention.words:
        bound.extend(binding[word] if word[0] == "$" else (word,))
    return tuple(bound)
