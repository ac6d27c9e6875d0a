"""Files of a published set → examples, nothing dropped without being counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sagittal.builders.vqa_sets.asked import Asked, Drawn, Turn
from sagittal.builders.vqa_sets.patients import linked
from sagittal.builders.vqa_sets.pictures import Pictures
from sagittal.builders.vqa_sets.records import read_records
from sagittal.builders.vqa_sets.sets import SETS, VqaSet
from sagittal.errors import ConfigError, FileFormatError, LayoutError
from sagittal.example import (
    Example,
    FileRef,
    ImagePart,
    ImageRef,
    MaskPart,
    Message,
    Part,
    RegionPart,
    TextPart,
)
from sagittal.files import storage_errors
from sagittal.splits import SPLITS, Split, split_of

#: Reasons for leaving a question out, besides those of each set's reader.
NEEDS_MASKS = "its drawn masks were not asked for"
EMPTY_MASK = "a drawn mask is empty"
COPY = "its image lies in another split, too, under another name"


@dataclass(frozen=True)
class LoadedSet:
    """A set that was read.

    Attributes:
        examples: in the order of the files.
        files: file → records in it.
        left_out: reason → how many records; with the examples they make up all records.
    """

    examples: tuple[Example, ...]
    files: dict[str, int]
    left_out: dict[str, int]


def load_vqa_set(name: str, folder: str | Path, *, images: str | Path | None) -> LoadedSet:
    """The examples of a published set.

    An example's split is :func:`sagittal.splits.split_of` its patient (the finest grouping that the files
    tell: :mod:`sagittal.builders.vqa_sets.sets`); its study is the image. Images with the same bytes that
    fall into different splits stay in one of them, test before validation before training; without the
    images that cannot be seen. ``targets``: ``dataset``, ``answer``, ``published_split``, ``modality``,
    ``question_type``, ``body_part``, ``language``, ``options``, ``label`` and ``published`` (further
    fields of the record), ``None`` or empty where the set has none. ``task``: ``vqa-closed``, ``vqa-open``,
    ``vqa-choice`` or ``vqa-grounding``.

    Args:
        name: one of :data:`sagittal.builders.vqa_sets.sets.SETS`.
        folder: where the set's question files lie.
        images: the folder that the published image paths count from, which is the examples' data root;
            ``None`` for the words alone, where questions with drawn masks are left out.

    Raises:
        ConfigError: no such set.
        LayoutError: the folder has no file of the set, or an image is missing; it is named.
        FileFormatError: a file or a record is not of the published form, or an id stands twice.
        LabelError: a drawn mask has several values.
        StorageError: something cannot be read.
    """
    if name not in SETS:
        raise ConfigError("There is no such set of questions.", expected=", ".join(SETS), got=name)
    chosen, folder = SETS[name], Path(folder)
    asked: list[Asked] = []
    files: dict[str, int] = {}
    left: Counter[str] = Counter()
    for path in _files(chosen, name, folder):
        records = read_records(path, folder)
        files[path.relative_to(folder).as_posix()] = len(records)
        for record in records:
            found = chosen.read(record)
            if isinstance(found, str):
                left[found] += 1
            else:
                asked.append(found)
    _require_unique(asked)
    pictures = None if images is None else Pictures(Path(images))
    patients = linked((one.patient, one.case) for one in asked)
    examples = []
    for one in asked:
        made = _example(one, name, chosen, f"{name}/{patients[one.patient]}", pictures)
        if isinstance(made, str):
            left[made] += 1
        else:
            examples.append(made)
    kept = _without_copies(examples)
    left[COPY] += len(examples) - len(kept)
    return LoadedSet(tuple(kept), files, {reason: left[reason] for reason in sorted(left) if left[reason]})


def _files(chosen: VqaSet, name: str, folder: Path) -> list[Path]:
    with storage_errors(folder):
        next(folder.iterdir(), None)
        found = sorted({path for pattern in chosen.files for path in folder.glob(pattern) if path.is_file()})
    if not found:
        raise LayoutError(
            f"The folder has no file of {name}.",
            expected=" or ".join(chosen.files),
            got=folder,
            remedy="name the folder that the question files lie in; see sagittal.builders.vqa_sets.sets",
        )
    return found


def _require_unique(asked: Sequence[Asked]) -> None:
    repeated = [id for id, count in Counter(one.id for one in asked).items() if count > 1]
    if repeated:
        raise FileFormatError(
            "Questions have the same id.",
            expected="one question an id",
            got=", ".join(repeated[:5]),
            remedy="leave one copy of the questions in the folder",
        )


def _example(one: Asked, name: str, chosen: VqaSet, patient: str, pictures: Pictures | None) -> Example | str:
    shown: tuple[ImageRef, ...] = ()
    drawn: dict[Drawn, Part] = {}
    if pictures is not None:
        shown = (ImageRef(path=one.image, sha256=pictures.sha256(one.image), kind=one.image_kind),)
    for mask in one.drawn():
        if pictures is None:
            return NEEDS_MASKS
        label = pictures.label(mask.path)
        if label is None:
            return EMPTY_MASK
        drawn[mask] = _drawn_part(mask, one.image, pictures.ref(mask.path), label)
    messages = [_message(turn, drawn) for turn in one.turns]
    if shown:
        first = messages[0]
        messages[0] = Message(role=first.role, parts=(ImagePart(image=0), *first.parts))
    return Example(
        id=f"{name}/{one.id}",
        patient=patient,
        study=f"{name}/{one.image}",
        images=shown,
        source=chosen.source,
        licence=chosen.licence,
        split=split_of(patient),
        task=f"vqa-{one.kind}",
        messages=tuple(messages),
        targets={
            "dataset": name,
            "answer": messages[-1].text,
            "published_split": one.published_split,
            "modality": one.modality,
            "question_type": one.question_type,
            "body_part": one.body_part,
            "language": one.language,
            "options": dict(one.options),
            "label": one.label,
            "published": dict(one.further),
        },
    )


def _drawn_part(drawn: Drawn, image: str, mask: FileRef, label: int) -> Part:
    if drawn.role == "mask":
        return MaskPart(mask=mask, label=label, name=drawn.name)
    return RegionPart.drawn(image, mask)


def _message(turn: Turn, drawn: Mapping[Drawn, Part]) -> Message:
    parts = [TextPart(text=piece) if isinstance(piece, str) else drawn[piece] for piece in turn.pieces]
    return Message(role=turn.role, parts=tuple(parts))


def _without_copies(examples: Sequence[Example]) -> list[Example]:
    """One split for each image's bytes: the last of :data:`SPLITS`, so that no test image is lost."""
    of: dict[str, Split] = {}
    for example in examples:
        for image in example.images:
            of[image.sha256] = max(example.split, of.get(image.sha256, example.split), key=SPLITS.index)
    return [one for one in examples if all(of[image.sha256] == one.split for image in one.images)]
