"""Steps II and III by a language endpoint (MedPLIB, appendix): prepared pictures → a file of conversations.

A step of its own, so that building never touches the network: ``sagittal converse`` writes the file, and
``sagittal build pixel-qa --conversations`` reads it. What breaks a rule (:mod:`.rules`) is left out and
counted by reason; a picture whose description breaks one is asked nothing more. Requests for masks come from
the grammar in any case, as in the paper.

What this does not protect from: a right name with an untrue sentence about it. The paper has experts read
500 answers a modality and task; so should you.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from sagittal.builders.pixel_qa.items import Item, Situation
from sagittal.builders.pixel_qa.rules import KINDS, Kind
from sagittal.errors import FileFormatError, IntegrityError
from sagittal.files import sha256_bytes, storage_errors, write_text
from sagittal.language.endpoint import CachedEndpoint
from sagittal.language.pixel_prompts import conversing_prompt, describing_prompt
from sagittal.language.pixel_wordings import templates
from sagittal.language.quality import split_pairs

#: Reasons for leaving an item out, besides those of the rules.
NO_PAIR, REGION_MARK, AMBIGUOUS = "not_one_pair", "region_mark", "twin_mask"
_HEADING = re.compile(r"^[\s\d.#*_]*(RegionQA-II|RegionQA-I|Complex VQA)\b[\s:*_]*$", re.MULTILINE)
_MARK = re.compile(r"<region_(\d{1,6})>")
_TEMPLATES = 4


class Said(BaseModel):
    """One item of a conversation; ``region`` is the instance pointed at."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    question: str
    answer: str
    region: int | None


class Conversation(BaseModel):
    """A line of the file: what was said of one picture, and what was left out by reason."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    case: str
    picture: str
    description: str | None
    items: tuple[Said, ...]
    left_out: dict[str, int]


def converse(
    endpoint: CachedEndpoint,
    situations: Iterable[Situation],
    out: Path,
    *,
    progress: Callable[[int, str], None] | None = None,
) -> Counter[str]:
    """Ask for the conversations of all pictures and write them, one line a picture.

    Run again after an interruption: nothing is asked twice.

    Args:
        endpoint: who is asked.
        situations: the pictures.
        out: the file to write.
        progress: called with how many are done and the last one's name.

    Returns:
        How many items were kept (``kept``), and what was left out by reason.

    Raises:
        EndpointError: the endpoint fails.
        StorageError: the file cannot be written.
    """
    tally: Counter[str] = Counter()
    lines = []
    for done, at in enumerate(situations, start=1):
        spoken = conversation(endpoint, at)
        tally.update(spoken.left_out)
        tally["kept"] += len(spoken.items)
        lines.append(spoken.model_dump_json())
        if progress is not None:
            progress(done, at.case.name)
    write_text(out, "".join(f"{line}\n" for line in lines))
    return tally


def conversation(endpoint: CachedEndpoint, at: Situation) -> Conversation:
    """Steps II and III for one picture; raises as :meth:`CachedEndpoint.complete`."""
    left: Counter[str] = Counter()
    meta = {
        "Modality": at.case.modality,
        "Scanned region": at.case.region,
        "Orientation": at.picture.orientation,
    }
    modality = at.case.modality
    shown = templates("describe", modality)[:_TEMPLATES]
    description = " ".join(endpoint.complete(describing_prompt(meta, at.picture.names, shown)).split())
    # A description keeps the rules of an answer about the whole picture.
    broken = at.faults(Item("complex", "Describe this image.", (description,), at.picture.names))
    kept: list[Said] = []
    if broken:
        left.update(f"description: {fault}" for fault in broken)
    else:
        objects = [one.name for one in at.picture.instances]
        samples = {
            KINDS["region-description"]: templates("region_answer", modality)[:_TEMPLATES],
            KINDS["complex"]: templates("complex_answer", modality)[:_TEMPLATES],
        }
        reply = endpoint.complete(conversing_prompt(meta, description, objects, samples))
        for kind, found in items_of(reply, at):
            if isinstance(found, Said):
                kept.append(found)
            else:
                left.update(f"{KINDS[kind]}: {reason}" for reason in found)
    return Conversation(
        case=at.case.name,
        picture=at.picture.name,
        description=None if broken else description,
        items=tuple(kept),
        left_out=dict(sorted(left.items())),
    )


def items_of(reply: str, at: Situation) -> Iterator[tuple[Kind, Said | list[str]]]:
    """The items of a reply, each or the reasons why it is left out."""
    pieces = _HEADING.split(reply)
    sections: dict[str, str] = {}
    for heading, text in zip(pieces[1::2], pieces[2::2], strict=True):
        sections[heading] = sections.get(heading, "") + text
    for kind, name in KINDS.items():
        if kind == "grounding":
            continue
        pairs, _ = split_pairs(sections.get(name, ""))
        if not pairs:
            yield kind, [NO_PAIR]
        for question, answer in pairs:
            yield kind, _item(kind, question, answer, at)


def _item(kind: Kind, question: str, answer: str, at: Situation) -> Said | list[str]:
    marks = [int(mark) for mark in _MARK.findall(question)]
    region = None
    if kind != "complex":
        if len(marks) != 1 or marks[0] >= len(at.picture.instances):
            return [REGION_MARK]
        region = marks[0]
        if at.picture.instances[region].has_twin:
            return [AMBIGUOUS]
    elif marks:
        return [REGION_MARK]
    # The region itself stands in the message; the words only point at it.
    said = Said(kind=kind, question=_MARK.sub("this region", question), answer=answer, region=region)
    if kind == "region-category":
        name = at.picture.instances[marks[0]].name
        if answer.rstrip(". ").casefold() == name.casefold():
            said = said.model_copy(update={"answer": name})
    return at.faults(item_said(said, at)) or said


def item_said(said: Said, at: Situation) -> Item:
    """A line's item as the builder takes it."""
    asked = at.picture.names if said.region is None else (at.picture.instances[said.region].name,)
    return Item(said.kind, said.question, (said.answer,), asked, said.region)


@lru_cache(maxsize=1)
def read_conversations(path: Path, sha256: str) -> Mapping[tuple[str, str], Conversation]:
    """Case and picture → conversation, read once a process.

    Args:
        path: what :func:`converse` wrote.
        sha256: of the file that the build began with.

    Raises:
        IntegrityError: the file is another one.
        StorageError: the file cannot be read.
        FileFormatError: a line is not a conversation; it is named.
    """
    with storage_errors(path):
        data = path.read_bytes()
    if sha256_bytes(data) != sha256:
        raise IntegrityError(
            "The conversations are not those that the build began with.",
            expected=sha256,
            got=f"{path}: {sha256_bytes(data)}",
            remedy="put the old file back, or name a new folder",
        )
    found = {}
    for number, line in enumerate(data.splitlines(), start=1):
        try:
            one = Conversation.model_validate(json.loads(line))
        except (ValidationError, ValueError, RecursionError) as error:
            raise FileFormatError(
                "A line is not a conversation.", got=f"{path}:{number}", remedy="make the file anew"
            ) from error
        found[one.case, one.picture] = one
    return found
