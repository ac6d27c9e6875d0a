"""A simulated film in the words of a report: what is there, what is not, and the sum of it.

Everything said is true of the film; of what is not there, some is named, as reports do. Words are drawn among
a few.
"""

from __future__ import annotations

from sagittal.io.films.names import FINDINGS, SEVERITY, Finding
from sagittal.measure.chest import ChestMeasures
from sagittal.simulate.chest.findings import Seen
from sagittal.simulate.chest.world import SimulatedFilm
from sagittal.simulate.draws import Draws

#: A heart wider than this share of the thorax is called enlarged.
_ENLARGED = 0.5
_THERE = ("There is {it} {where}.", "{It} {where}.", "{It} is seen {where}.")
_NOT_THERE = ("No {finding}.", "There is no {finding}.", "No evidence of {finding}.")
_HEART = {
    True: ("The heart is enlarged.", "The cardiac silhouette is enlarged.", "Cardiomegaly."),
    False: ("The heart is normal in size.", "The cardiac silhouette is within normal limits."),
}
#: Of findings that are not there, one in so many is named.
_NAMED = 3


def report(film: SimulatedFilm, measures: ChestMeasures, draws: Draws) -> str:
    """Findings and impression of a film.

    Args:
        film: what is true.
        measures: of its organs.
        draws: decide the words.
    """
    said = [_device(name) for name in film.devices]
    heart = None if measures.ctr is None or film.view != "PA" else measures.ctr > _ENLARGED
    if heart is not None:
        said.append(_one(_HEART[heart], draws))
    for seen in film.findings:
        said.append(_there(film, seen, draws))
    if film.oedema == 1:
        said.append("There is pulmonary vascular congestion.")
    labels = film.labels
    absent = [name for name in FINDINGS if not labels[name] and draws.integer(0, _NAMED) == 0]
    said += [_one(_NOT_THERE, draws).format(finding=name.lower()) for name in absent]
    if not film.findings and film.oedema == 0:
        said.append(_one(("The lungs are clear.", "Both lungs are clear."), draws))
    return f"FINDINGS: {' '.join(said)} IMPRESSION: {_impression(film, heart)}"


def _device(name: str) -> str:
    if name.endswith("s"):
        return f"{_cap(name)} are in place."
    return f"{_cap(_article(name))} {name} is in place."


def _there(film: SimulatedFilm, seen: Seen, draws: Draws) -> str:
    if seen.name == "Edema":
        return f"There is {SEVERITY[film.oedema]}."
    name = f"{seen.size} {seen.name.lower()}".strip()
    it = f"{_article(name)} {name}"
    return _one(_THERE, draws).format(it=it, It=_cap(it), where=where(seen))


def where(seen: Seen) -> str:
    """``in the right lower zone``; ``on the left``; ``on both sides``."""
    if seen.side == "both":
        return "on both sides"
    return f"in the {seen.side} {seen.zone} zone" if seen.zone else f"on the {seen.side}"


def _impression(film: SimulatedFilm, heart: bool | None) -> str:
    names: list[Finding | str] = [one.name for one in film.findings if one.name != "Edema"]
    parts = [name.lower() for name in names]
    if film.oedema:
        parts.append(SEVERITY[film.oedema])
    if heart:
        parts.append("cardiomegaly")
    if not parts:
        return "No acute cardiopulmonary process."
    return f"{_cap(', '.join(parts))}."


def _one(words: tuple[str, ...], draws: Draws) -> str:
    return words[draws.integer(0, len(words))]


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _cap(words: str) -> str:
    return words[0].upper() + words[1:]
