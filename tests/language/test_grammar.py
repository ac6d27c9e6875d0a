"""The grammar engine against brute force, and against files that nobody should write."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from sagittal.errors import ConfigError
from sagittal.language.grammar import Grammar, Pool
from sagittal.language.grammar_source import MAX_BYTES

POOLS: tuple[Pool, ...] = ("all", "train", "withheld")

BOUND = """
slots: [label, volume]
roots: [plain, pair volume, mixed]
templates: [plain, "ask $task"]
symbols:
  plain: ["how <size> is {label}", "is {label} <size>?", "<size> <size>"]
  size: [w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11]
  pair $task:
    - "<ask $task> <item1.x>? || <says $task> no <item1.x>"
    - "<ask $task> <item1.x>, <item2.x>? || no <item1.x> nor <item2.x>"
  ask $task: ["what <name $task>", "which <name $task>"]
  says $task: ["the <term>", "its <term>"]
  name volume: [n1, n2, n3, n4, n5, n6, n7, n8, n9]
  term: [t1, t2, t3, t4, t5, t6, t7, t8]
  mixed: ["<name volume> <item1.x> <name volume>", "only <size>"]
records:
  item: {a: {x: xa}, b: {x: xb}, c: {x: xc}, d: {x: xd}, e: {x: xe}, f: {x: xf}, g: {x: xg}, h: {x: xh}}
"""


def load(tmp_path: Path, text: str, name: str = "grammar.yaml") -> Grammar:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return Grammar([path])


def small(symbols: str, roots: str = "[a]") -> str:
    return f"slots: [label]\nroots: {roots}\nsymbols:\n{symbols}"


@pytest.mark.parametrize("root", ["plain", "pair volume", "mixed"])
def test_ranks_enumerate_each_pool_exactly(tmp_path: Path, root: str) -> None:
    grammar = load(tmp_path, BOUND)
    texts = {}
    for pool in POOLS:
        walked = [grammar.unrank(root, rank, pool) for rank in range(grammar.count(root, pool))]
        texts[pool] = [derivation.parts for derivation in walked]
        assert len(set(texts[pool])) == len(walked)
        if pool != "all":
            assert all(derivation.withheld == (pool == "withheld") for derivation in walked)
    assert set(texts["all"]) == set(texts["train"]) | set(texts["withheld"])
    assert not set(texts["train"]) & set(texts["withheld"])
    assert texts["train"] and texts["withheld"]


def test_counts_by_hand(tmp_path: Path) -> None:
    grammar = load(tmp_path, BOUND)
    assert grammar.count("plain") == 11 + 11 + 121
    # One ask of two and one name of nine are withheld, and one record of eight; "term" is the
    # answer's own and "name" is also used outside the templates, so they keep everything.
    assert grammar.count("pair volume") == 2 * 9 * 16 * 8 + 2 * 9 * 8 * 7
    assert grammar.count("pair volume", "train") == 9 * 16 * 7 + 9 * 7 * 6


def test_a_withheld_share_inside_templates(tmp_path: Path) -> None:
    lines = "\n".join(f"    - t{i} <s>" for i in range(30))
    synonyms = ", ".join(f"s{i}" for i in range(20))
    grammar = load(tmp_path, small(f"  a:\n{lines}\n  s: [{synonyms}]\n"))
    assert grammar.count("a", "train") == 27 * 18
    assert grammar.count("a", "withheld") == 30 * 20 - 27 * 18


def test_sampling_covers_each_pool_and_only_it(tmp_path: Path) -> None:
    grammar, rng = load(tmp_path, BOUND), np.random.default_rng(0)
    for root in grammar.roots:
        for pool in POOLS:
            allowed = {grammar.unrank(root, rank, pool).parts for rank in range(grammar.count(root, pool))}
            sampled = {grammar.sample(root, rng, pool).parts for _ in range(100)}
            assert sampled <= allowed
            assert {each.parts for each in grammar.draw(root, len(allowed), rng, pool)} == allowed


def test_sampling_is_uniform_over_alternatives_not_derivations(tmp_path: Path) -> None:
    grammar = load(tmp_path, small("  a: [x, <b> <b>]\n  b: [p, q, r]\n"))
    rng = np.random.default_rng(1)
    counts = Counter(grammar.sample("a", rng).parts[0] == "X." for _ in range(4000))
    assert abs(counts[True] - 2000) < 200


def test_bound_records_are_the_same_on_both_sides(tmp_path: Path) -> None:
    grammar, rng = load(tmp_path, BOUND), np.random.default_rng(2)
    for derivation in grammar.draw("pair volume", 300, rng):
        question, answer = derivation.parts
        ids = derivation.records["item"]
        assert len(set(ids)) == len(ids)
        for each in ids:
            assert f"x{each}" in question and f"x{each}" in answer


def test_draw_refuses_more_than_there_are_and_dedupes_by_text(tmp_path: Path) -> None:
    grammar = load(tmp_path, small("  a: [<b>, <c>]\n  b: [x, y]\n  c: [y, z]\n"))
    rng = np.random.default_rng(3)
    assert grammar.count("a") == 4
    assert {each.parts[0] for each in grammar.draw("a", 3, rng)} == {"X.", "Y.", "Z."}
    with pytest.raises(ConfigError, match="enough different"):
        grammar.draw("a", 4, rng)


def test_same_seed_same_wordings(tmp_path: Path) -> None:
    grammar = load(tmp_path, BOUND)
    first, second = (grammar.draw("pair volume", 50, np.random.default_rng(7)) for _ in range(2))
    assert first == second


def test_counts_can_be_astronomical_and_still_be_ranked(tmp_path: Path) -> None:
    chain = "".join(f"  s{i}: ['<s{i + 1}> <s{i + 1}>', '<s{i + 1}>']\n" for i in range(7))
    letters = ", ".join(f"l{i}" for i in range(20))
    grammar = load(tmp_path, small(f"  a: [<s0>]\n{chain}  s7: [{letters}]\n"))
    size = grammar.count("a")
    assert size > 10**150
    assert grammar.unrank("a", size - 1).parts != grammar.unrank("a", 0).parts
    with pytest.raises(ConfigError, match="no such rank"):
        grammar.unrank("a", size)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (small("  a: [<b>]\n"), r"<b> is not defined.*grammar.yaml:4"),
        (small("  a: [x]\n  b: [y]\n"), r"'b' is never used.*grammar.yaml:5"),
        (small("  a: [<b>]\n  b: [x, <a>]\n"), r"never ends: <a> → <b> → <a>"),
        (small("  a: [x, y, x]\n"), r"'a' holds the same alternative twice"),
        (small("  a: ['{nothing}']\n"), r"'a' uses the unknown slot \{nothing\}"),
        (small("  a: ['x > y']\n"), "stray bracket"),
        (small("  a: ['<B!>']\n"), "unreadable mention"),
        (small("  a: ['<b $x>']\n  b $x: [y]\n"), r"no parameter \$x"),
        (small("  a: []\n"), "at least one text"),
        (small("  a: [x]\n  a: [y]\n"), "defined twice"),
        (small("  a: [<b c d>]\n  b $x d: [y]\n  b c $x: [z]\n"), r"fits both 'b c \$x' and 'b \$x d'"),
        (small("  a: [x]\n  $x c: [z]\n"), "not a symbol name"),
        (small("  a: [<i1.y>]\n"), "no record table"),
        (
            small("  a: [<b>]\n  b: [<i1.x>, y]\n") + "records: {i: {p: {x: u}, q: {x: v}}}",
            "different records",
        ),
        (small("  a: [<i1.y>]\n") + "records: {i: {p: {x: u}}}", "no field 'y'"),
        (small("  a: [<i2.x>]\n") + "records: {i: {p: {x: u}, q: {x: v}}}", "numbered from 1"),
        (small("  a: [x]\n") + "records: {i: {p: {x: u}, q: {y: v}}}", "other fields"),
        (small("  a: [x]\n") + "records: {i: {p: {x: <a>}}}", "plain text"),
        ("roots: [a]\nsymbols: [1]\n", "must be a mapping"),
        ("roots: [a]\nnonsense: {}\n", "Unknown section"),
        ("symbols:\n  a: [x]\n", "must name its roots"),
        ("- a\n- b\n", "mapping of sections"),
        (small("  a: [x]\n") + "---\nroots: [b]\n", "more than one document"),
        (small("  a: [x]\n", "['']"), "cannot be a root"),
        (small("  a $x: [x]\n", "[a $x]"), "cannot be a root"),
        (small("  a: [x]\n", "{a: b}"), "must be a list of names"),
        ("", "mapping of sections"),
        ("roots: [a\n", "not readable YAML"),
        ("roots: &r [a]\nsymbols: {a: *r}\n", "aliases"),
        ("roots: " + "[" * 3000 + "\n", "nested too deeply|not readable"),
        ("? [a]\n: x\n", "plain text"),
    ],
)
def test_unsound_files_are_refused_by_name_and_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, text)


def test_a_tag_has_no_effect(tmp_path: Path) -> None:
    """It is read as the plain list that it is; nothing is constructed."""
    assert load(tmp_path, small("  a: !!python/object/apply:os.system [x]\n")).count("a") == 1


def test_too_large_a_grammar_is_refused(tmp_path: Path) -> None:
    doubling = "".join(f"  s{i}: [<s{i + 1}> <s{i + 1}>]\n" for i in range(40))
    with pytest.raises(ConfigError, match="far too long"):
        load(tmp_path, small(f"  a: [<s0>]\n{doubling}  s40: [x, y]\n"))
    deep = "".join(f"  s{i}: [<s{i + 1}>]\n" for i in range(500))
    with pytest.raises(ConfigError, match="too deeply"):
        load(tmp_path, small(f"  a: [<s0>]\n{deep}  s500: [x]\n"))
    with pytest.raises(ConfigError, match="too large"):
        load(tmp_path, "#" * (MAX_BYTES + 1))
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00roots")
    with pytest.raises(ConfigError, match="not readable"):
        Grammar([tmp_path / "binary.yaml"])


def test_the_more_specific_symbol_wins(tmp_path: Path) -> None:
    text = small(
        "  a: [<b x>, <b y>, <b x y>]\n  b x: [exact]\n  b $p: [one]\n  b $*: [many <c $*>]\n"
        "  c $p $q: [two]\n"
    )
    with pytest.raises(ConfigError, match="is not defined"):
        load(tmp_path, text.replace("<b x y>", "<b x y z>"))
    grammar = load(tmp_path, text)
    found = [grammar.unrank("a", rank).parts[0] for rank in range(grammar.count("a"))]
    assert found == ["Exact.", "One.", "Many two."]


def test_symbols_are_borrowed_from_another_grammar_where_they_are_mentioned(tmp_path):
    lender = tmp_path / "lender.yaml"
    lender.write_text(
        "slots: [label]\nroots: [other]\nsymbols:\n  other: ['<size> <lost> {label}']\n"
        "  size: [big, small]\n  lost: [x]\n  own: [theirs]\n",
        encoding="utf-8",
    )
    path = tmp_path / "borrower.yaml"
    path.write_text(small("  a: ['how <size> <own>']\n  own: [ours]"), encoding="utf-8")
    grammar = Grammar([path], [lender])
    assert grammar.roots == ("a",)
    assert {grammar.unrank("a", rank).parts[0] for rank in range(grammar.count("a"))} == {
        "How big ours.",
        "How small ours.",
    }
    with pytest.raises(ConfigError):
        Grammar([path])
