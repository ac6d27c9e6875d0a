"""Which specialists there are: those that ship, those of installed packages, and folders with a card.

A package names its specialists by entry points of the group ``sagittal.specialists``, each with a card
``NAME.specialist.yaml`` among the distribution's files. Listing reads these files; no code of the package
runs before the user enables it, and then only in a process of the specialist's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Literal

from sagittal.errors import InputError, SagittalError
from sagittal.files import data_home, sha256_file
from sagittal.specialists.card import SpecialistCard, read_card
from sagittal.specialists.enabling import Enabled, disable, enable, read_enabled
from sagittal.specialists.needs import missing
from sagittal.specialists.packaged import CARD_ENDING, packaged_card
from sagittal.specialists.process import Program
from sagittal.specialists.protocol import SpecialistError

GROUP = "sagittal.specialists"
#: The card of a folder.
FOLDER_CARD = "specialist.yaml"
#: Adapters of ours, by the name that a card gives: what loads a specialist, and nothing is imported before.
ADAPTERS: Mapping[str, str] = {
    "deepbet": "sagittal.specialists.deepbet:open_deepbet",
    "meshnet": "sagittal.specialists.meshnet:open_anatomy",
    "onnx": "sagittal.specialists.onnx:open_onnx",
    "bundle": "sagittal.specialists.bundle:open_bundle",
    "torchxrayvision": "sagittal.specialists.torchxrayvision:open_torchxrayvision",
    "eyes": "sagittal.specialists.eyes:open_eyes",
    "chest-organs": "sagittal.specialists.chest:open_organs",
    "chest-findings": "sagittal.specialists.chest:open_findings",
}
_SHIPPED = Path(__file__).parent / "cards"


@dataclass(frozen=True)
class Entry:
    """A specialist that is known.

    Attributes:
        program: its card, and how it is started.
        origin: who brings it.
        version: distribution and version, of a package's.
        enabled: whether it may run.
        why_not: why it may not, where it was enabled once.
    """

    program: Program
    origin: Literal["ships", "package", "folder"]
    version: str = ""
    enabled: bool = True
    why_not: str = ""

    @property
    def card(self) -> SpecialistCard:
        """What it says of itself."""
        return self.program.card

    def lacks(self) -> list[str]:
        """What has to be there and is not; see :func:`sagittal.specialists.needs.missing`."""
        return missing(self.card, self.program.folder)


@dataclass(frozen=True)
class Listing:
    """All that are known.

    Attributes:
        entries: by name.
        problems: cards that could not be read, in words.
    """

    entries: Mapping[str, Entry]
    problems: tuple[str, ...]

    def ready(self) -> dict[str, Entry]:
        """Those that may run and lack nothing."""
        return {name: entry for name, entry in self.entries.items() if entry.enabled and not entry.lacks()}

    def find(self, name: str) -> Entry:
        """One of them.

        Raises:
            InputError: there is none of this name.
        """
        if name not in self.entries:
            raise InputError(
                "There is no specialist of this name.", expected=", ".join(self.entries), got=name[:100],
                remedy="install its package, or enable its folder: sagittal specialists enable FOLDER",
            )  # fmt: skip
        return self.entries[name]

    def runnable(self, name: str) -> Entry:
        """One that may run and lacks nothing.

        Raises:
            InputError: there is none of this name.
            SpecialistError: it is not enabled, or something that it needs is missing.
        """
        entry = self.find(name)
        if not entry.enabled:
            raise SpecialistError(
                "disabled", name, f"{name} is not enabled{': ' if entry.why_not else ''}{entry.why_not}.",
                remedy=f"if you trust its code: sagittal specialists enable {name}",
            )  # fmt: skip
        lacks = entry.lacks()
        if lacks:
            raise SpecialistError(
                "missing", name, f"{name} is not installed whole.", got="; ".join(lacks),
                remedy=entry.card.needs.how or "sagittal specialists check tells more",
            )  # fmt: skip
        return entry


def specialists() -> Listing:
    """All specialists that are known: the first of a name counts, those that ship before others."""
    entries: dict[str, Entry] = {}
    problems: list[str] = []
    enabled = read_enabled()
    for make in (_shipped, _folders, _packages):
        for found in make(enabled):
            if isinstance(found, str):
                problems.append(found)
            elif found.card.name in entries:
                other = entries[found.card.name]
                problems.append(f"{found.program.card_file}: {found.card.name} is the name of one that is "
                                f"there already ({other.program.card_file})")  # fmt: skip
            else:
                entries[found.card.name] = found
    return Listing(entries, tuple(problems))


def enable_specialist(what: str, weights: str | Path | None = None) -> Entry:
    """Let a package's specialist, or a folder with a card and weights, run from now on.

    Args:
        what: a name, or a folder that holds ``specialist.yaml``.
        weights: folder with the published weights of one whose card ships without them.

    Raises:
        InputError: there is none; or the name is taken; or weights are named for one that has none there.
        FileFormatError: the folder's card is damaged, or names no adapter of ours.
        SpecialistError: the folder does not hold what the card needs.
    """
    known = specialists()
    if weights is None and what not in known.entries and (Path(what) / FOLDER_CARD).is_file():
        return _enable_folder(Path(what), known)
    entry = known.find(what)
    if (weights is not None) != (entry.origin == "ships" and _wants_folder(entry.card)):
        raise InputError(
            f"{what} {'takes no folder of weights' if weights is not None else 'needs its weights'}.",
            remedy=entry.card.needs.how or f"sagittal specialists enable {what}",
        )  # fmt: skip
    folder = entry.program.folder if weights is None else Path(weights).resolve()
    lacks = missing(entry.card, folder)
    if weights is not None and lacks:
        raise SpecialistError(
            "missing", what, f"This folder is not {what}'s.", got=f"{folder} lacks {'; '.join(lacks)}",
            remedy=entry.card.needs.how,
        )  # fmt: skip
    enable(
        what,
        Enabled(
            version=entry.version,
            folder=None if entry.origin == "package" else str(folder),
            card=sha256_file(entry.program.card_file),
        ),
    )
    return replace(entry, program=replace(entry.program, folder=folder), enabled=True, why_not="")


def _enable_folder(folder: Path, known: Listing) -> Entry:
    program = _program(folder / FOLDER_CARD)
    name = program.card.name
    if name in known.entries and known.entries[name].origin != "folder":
        raise InputError("There is a specialist of this name already.", got=name)
    place = str(folder.resolve())
    # A folder has one card: under another name it is known no more.
    for former in [other for other, kept in read_enabled().items() if kept.folder == place]:
        disable(former)
    enable(name, Enabled(folder=place, card=sha256_file(program.card_file)))
    return Entry(program, "folder")


def _wants_folder(card: SpecialistCard) -> bool:
    """Whether weights of its own lie in a folder that the user names."""
    return any(weights.package is None for weights in card.needs.weights)


def _shipped(enabled: Mapping[str, Enabled]) -> Iterator[Entry]:
    for path in sorted(_SHIPPED.glob("*.yaml")):
        program = _program(path)
        kept = enabled.get(program.card.name)
        if _wants_folder(program.card):
            # Our own code and card: what is enabled is the place of the weights.
            folder = data_home() / "specialists" / program.card.name
            program = replace(program, folder=Path(kept.folder) if kept and kept.folder else folder)
        yield Entry(program, "ships")


def _folders(enabled: Mapping[str, Enabled]) -> Iterator[Entry | str]:
    for name, kept in enabled.items():
        if kept.folder is None or (_SHIPPED / f"{name}.yaml").is_file():
            continue
        path = Path(kept.folder) / FOLDER_CARD
        try:
            program = _program(path)
            same = sha256_file(path) == kept.card and program.card.name == name
        except SagittalError as error:
            yield f"{path}: {error.message}"
            continue
        yield Entry(program, "folder", "", same, "" if same else "its card changed since")


def _packages(enabled: Mapping[str, Enabled]) -> Iterator[Entry | str]:
    for point in sorted(metadata.entry_points(group=GROUP), key=lambda p: p.name):
        path = packaged_card(point)
        if path is None:
            owner = point.dist.name if point.dist is not None else "a package"
            yield f"{owner} names a specialist {point.name} and brings no {point.name}{CARD_ENDING}"
            continue
        try:
            card = read_card(path)
        except SagittalError as error:
            yield str(error)
            continue
        if card.name != point.name:
            yield f"{path}: the entry point is called {point.name}, the card {card.name}"
            continue
        assert point.dist is not None, "a card was found among its files"
        version = f"{point.dist.name} {point.dist.version}"
        kept, why = enabled.get(card.name), ""
        if kept is not None and (kept.version != version or kept.card != sha256_file(path)):
            why = f"{kept.version or 'another one'} was enabled, and this is {version} with its own card"
        program = Program(card, path, path.parent, point.value)
        yield Entry(program, "package", version, kept is not None and not why, why)


def _program(path: Path) -> Program:
    """A card that one of our adapters runs.

    Raises:
        InputError: the card is damaged, or names no adapter of ours.
    """
    card = read_card(path)
    if card.adapter is None or card.adapter not in ADAPTERS:
        raise InputError(
            "This card names no adapter that ships.", expected=f"adapter: {', '.join(ADAPTERS)}",
            got=f"{path}: {card.adapter}",
        )  # fmt: skip
    return Program(card, path, path.parent, ADAPTERS[card.adapter])
