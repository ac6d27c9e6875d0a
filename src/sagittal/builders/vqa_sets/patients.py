"""Names that belong to one patient."""

from __future__ import annotations

from collections.abc import Iterable


def linked(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Patients that share a case are one: patient → the first name of those that it is linked with.

    Args:
        pairs: patient and case, an empty case linking nothing. A patient may have several cases.
    """
    links: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for patient, case in pairs:
        mine = links.setdefault(("patient", patient), set())
        if case:
            mine.add(("case", case))
            links.setdefault(("case", case), set()).add(("patient", patient))
    found: dict[str, str] = {}
    # In sorted order the first patient of a group names it, whatever order the records came in.
    for start in sorted(links):
        if start[0] != "patient" or start[1] in found:
            continue
        waiting = [start]
        seen = {start}
        while waiting:
            fresh = links[waiting.pop()] - seen
            seen |= fresh
            waiting += fresh
        found |= {name: start[1] for what, name in seen if what == "patient"}
    return found
