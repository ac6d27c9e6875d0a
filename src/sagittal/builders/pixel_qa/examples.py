"""Items → :class:`~sagittal.example.Example`: parts, regions pointed at in three ways, targets of scorers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sagittal.builders.pixel_qa.items import Item, Situation
from sagittal.builders.pixel_qa.pointing import ways_of
from sagittal.builders.pixel_qa.preparing import PICTURES
from sagittal.builders.pixel_qa.records import UNKNOWN, Instance
from sagittal.builders.pixel_qa.rules import KINDS
from sagittal.builders.tumour_vqa import Origin
from sagittal.builders.vqa_sets.asked import kind_of
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
from sagittal.splits import split_of
from sagittal.study import Region


def example_of(
    at: Situation, item: Item, number: int, hashes: Mapping[str, str], origin: Origin, described: str
) -> Example:
    """The example of an item.

    Its task is ``vqa-grounding`` where masks answer, else ``vqa-open``, as in the published sets
    (:mod:`sagittal.builders.vqa_sets`), whose targets it has, too: ``dataset``, ``answer``, ``modality``,
    ``question_type`` (grounding, region, complex). Further targets: ``kind`` (:data:`KINDS`),
    ``category`` (classes asked for), ``instances`` (class, place and share of everything in the picture),
    ``absent``, ``pointed`` (how), ``orientation``, ``scanned_region``, ``spacing_mm``, ``description``.

    Args:
        at: picture and case.
        item: what is asked.
        number: of the item among the picture's.
        hashes: of the prepared files, by path relative to the set's folder.
        origin: source and licence.
        described: step II's description.
    """
    case, picture = at.case, at.picture

    def ref(file: str) -> FileRef:
        path = f"{PICTURES}/{case.name}/{file}"
        return FileRef(path=path, sha256=hashes[path])

    image = ref(picture.image)
    kind = kind_of(case.modality, case.region)
    asked: list[Part] = [ImagePart(image=0)]
    pointed = None
    if item.region is not None:
        # Drawn apart from the wording, so that each way is as frequent whatever is asked.
        rng = at.rng(f"{item.kind}/{number}/pointing")
        part, pointed = _pointed(at.picture.instances, item.region, image.path, ref, rng)
        asked.append(part)
    asked.append(TextPart(text=item.question))
    answer: list[Part] = []
    for piece in item.answer:
        if isinstance(piece, int):
            own = picture.classes[piece]
            answer.append(MaskPart(mask=ref(own.mask), label=1, name=own.name))
        elif piece:
            answer.append(TextPart(text=piece))
    return Example(
        id=f"{case.name}/{picture.name}/{number}-{item.kind}",
        patient=case.patient,
        study=case.name,
        images=(ImageRef(path=image.path, sha256=image.sha256, kind=kind),),
        source=origin.source,
        licence=origin.licence,
        split=split_of(case.patient),
        task="vqa-grounding" if item.kind == "grounding" else "vqa-open",
        messages=(Message(role="user", parts=tuple(asked)), Message(role="assistant", parts=tuple(answer))),
        targets={
            "dataset": case.dataset,
            "answer": item.words,
            "modality": None if case.modality == UNKNOWN else case.modality,
            "question_type": item.kind.split("-")[0],
            "kind": KINDS[item.kind],
            "category": list(item.asked),
            "instances": [{"name": i.name, "place": i.place, "share": i.share} for i in picture.instances],
            "absent": item.absent,
            "pointed": pointed,
            "orientation": picture.orientation,
            "scanned_region": case.region,
            "spacing_mm": list(picture.spacing_mm) if picture.spacing_mm else None,
            "description": described,
        },
    )


def _pointed(
    instances: tuple[Instance, ...], number: int, image: str, ref: Any, rng: np.random.Generator
) -> tuple[RegionPart, str]:
    """A region and how it is pointed at."""
    one, ways = instances[number], ways_of(instances, number)
    way = ways[int(rng.integers(len(ways)))]
    if way == "mask":
        return RegionPart.drawn(image, ref(one.mask)), way
    if way == "box":
        x1, y1, x2, y2 = one.box
        region = Region("box", image, coordinates=((x1, y1, 0), (x2, y2, 0)))
    else:
        x, y = one.point or (0, 0)
        region = Region("points", image, coordinates=((x, y, 0),))
    return RegionPart(region=region.to_json()), way
