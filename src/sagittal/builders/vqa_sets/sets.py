"""The published sets: which files, and how a record of each becomes a question.

Where the forms come from, and how sure they are:

- ``vqa-rad`` (Lau et al. 2018): the published JSON, read here from its real file. Its phrase types begin
  with ``test`` in the published test part. Images of one MedPix case are one patient.
- ``slake`` (Liu et al. 2021): the published JSON, read here from real files. Patients are not told apart.
- ``path-vqa`` (He 2021): the authors publish pickles, which are not opened here; the form is that of the data
  card of ``flaviagiammarino/path-vqa`` (image, question, answer; yes/no and open questions), unpacked by
  :func:`sagittal.builders.vqa_sets.unpacking.unpack_path_vqa`, or a CSV or JSON of the same three fields.
  Seen as documentation, not as files. Patients are not told apart.
- ``pmc-vqa`` (Zhang et al. 2023): the CSV of the data card and of the authors' reader (which spell the
  answer's column ``Answer`` or ``Anwser``, with the letter repeated before the words in places). Seen as
  documentation. That ``Answer`` of the second version holds a letter alone is allowed for, not verified.
  Figures of one article are taken for one patient.
- ``omnimedvqa`` (Hu et al. 2024): the JSON files of the open-access part, as the authors' evaluation code and
  others' notes of the keys describe them (one file says ``modality`` for ``modality_type``). Seen as
  documentation. It is a benchmark without a published split; patients are not told apart.
- ``mecovqa`` (MedPLIB): see :mod:`sagittal.builders.vqa_sets.mecovqa`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from sagittal.builders.vqa_sets.asked import Asked, Kind, kind_of, pair
from sagittal.builders.vqa_sets.choices import LETTERS, choice_answer, choice_question, right_letter
from sagittal.builders.vqa_sets.mecovqa import read_mecovqa
from sagittal.builders.vqa_sets.records import Record

#: Reasons for leaving a record out.
BLANK = "no question or no answer"
NOT_OFFERED = "the answer is not exactly one of the options"
DISAGREE = "the published letter and words name different options"


@dataclass(frozen=True)
class VqaSet:
    """A published set.

    Attributes:
        source, licence: for the examples.
        files: patterns below the set's folder.
        read: a record's question, or the reason why it is left out.
    """

    source: str
    licence: str
    files: tuple[str, ...]
    read: Callable[[Record], Asked | str]


def read_vqa_rad(record: Record) -> Asked | str:
    """A question of VQA-RAD."""
    question, answer = record.words("question"), record.words("answer")
    if not (question and answer):
        return BLANK
    image = record.path(record.words("image_name"))
    return Asked(
        id=record.words("qid"),
        image=image,
        patient=image,
        case=record.maybe("image_case_url") or "",
        kind=_answer_type(record),
        turns=pair(question, answer),
        published_split="test" if record.words("phrase_type").startswith("test") else "train",
        question_type=record.maybe("question_type"),
        body_part=record.maybe("image_organ"),
        further={"phrase_type": record.words("phrase_type")},
    )


def read_slake(record: Record) -> Asked | str:
    """A question of SLAKE, in English or Chinese; the split is the file's name."""
    question, answer = record.words("question"), record.words("answer")
    if not (question and answer):
        return BLANK
    image, modality, place = (
        record.path(record.words("img_name")),
        record.words("modality"),
        record.words("location"),
    )
    return Asked(
        id=record.words("qid"),
        image=image,
        patient=image,
        kind=_answer_type(record),
        turns=pair(question, answer),
        published_split=record.stem,
        modality=modality,
        question_type=record.maybe("content_type"),
        body_part=place,
        image_kind=kind_of(modality, place),
        language=record.words("q_lang"),
    )


def _answer_type(record: Record) -> Kind:
    kinds: dict[str, Kind] = {"closed": "closed", "open": "open"}
    found = record.words("answer_type").lower()
    if found not in kinds:
        record.refuse("`answer_type` is neither OPEN nor CLOSED", found)
    return kinds[found]


def read_path_vqa(record: Record) -> Asked | str:
    """A question of PathVQA: yes or no is closed, all else open."""
    question, answer = record.words("question"), record.words("answer")
    if not (question and answer):
        return BLANK
    image = record.path(record.words("image"))
    return Asked(
        id=_numbered(record),
        image=image,
        patient=image,
        kind="closed" if answer.lower() in ("yes", "no") else "open",
        turns=pair(question, answer),
        published_split=record.stem,
        modality="pathology",
        image_kind="photo",
    )


def read_pmc_vqa(record: Record) -> Asked | str:
    """A question of PMC-VQA; the split is the file's name (``train``, ``test_clean``, ``test_2``, …).

    The letter stands where the answer's words are no option's; ``test_clean`` repeats questions of ``test``.
    """
    question, answer = record.words("Question"), record.words("Answer", "Anwser")
    options = {letter: _unlettered(record.words(f"Choice {letter}"), letter) for letter in LETTERS}
    options = {letter: text for letter, text in options.items() if text}
    label = record.maybe("Answer_label", "Anwser_label")
    # Some files repeat the letter before the answer's words, too.
    plain = next(
        (text for letter, text in options.items() if _unlettered(answer, letter) == text != answer), answer
    )
    worded = right_letter(options, plain)
    if label and worded and label != worded:
        return DISAGREE
    image = record.path(record.words("Figure_path"))
    article = re.match(r"PMC\d+", PurePosixPath(image).name)
    return _choice(
        record, question, options, label or worded, image,
        patient=article[0] if article else image, published_split=record.stem,
    )  # fmt: skip


def _unlettered(text: str, letter: str) -> str:
    return re.sub(rf"^{letter}\s*:\s*", "", text)


def read_omnimedvqa(record: Record) -> Asked | str:
    """A question of OmniMedVQA; questions have two to four options."""
    options = {letter: record.maybe(f"option_{letter}") or "" for letter in LETTERS}
    options = {letter: text for letter, text in options.items() if text}
    image = record.path(record.words("image_path"))
    return _choice(
        record, record.words("question"), options, right_letter(options, record.words("gt_answer")), image,
        patient=image, published_split=None, modality=record.words("modality_type", "modality"),
        question_type=record.maybe("question_type"),
        further={"dataset": record.words("dataset"), "question_id": record.words("question_id")},
    )  # fmt: skip


def _choice(
    record: Record,
    question: str,
    options: Mapping[str, str],
    label: str | None,
    image: str,
    *,
    patient: str,
    published_split: str | None,
    modality: str | None = None,
    question_type: str | None = None,
    further: Mapping[str, str] | None = None,
) -> Asked | str:
    if not question or not options:
        return BLANK
    if label is None or label not in options:
        return NOT_OFFERED
    return Asked(
        id=_numbered(record),
        image=image,
        patient=patient,
        kind="choice",
        turns=pair(choice_question(question, options), choice_answer(options, label)),
        published_split=published_split,
        modality=modality,
        question_type=question_type,
        image_kind=kind_of(modality),
        options=options,
        label=label,
        further=further or {},
    )


def _numbered(record: Record) -> str:
    return f"{record.file}/{record.number}"


#: Every set by name.
SETS: Mapping[str, VqaSet] = {
    "vqa-rad": VqaSet("VQA-RAD (Lau et al. 2018), images from MedPix", "CC0 1.0", ("*.json",), read_vqa_rad),
    "slake": VqaSet(
        "SLAKE (Liu et al. 2021)", "CC BY 4.0", ("train.json", "validate.json", "test.json"), read_slake
    ),
    "path-vqa": VqaSet(
        "PathVQA (He 2021), images from two textbooks and PEIR",
        "MIT by its data card; the images belong to the books' publishers and authors and to PEIR",
        ("*.json", "*.csv"),
        read_path_vqa,
    ),
    "pmc-vqa": VqaSet(
        "PMC-VQA (Zhang et al. 2023), figures of PubMed Central's open-access articles",
        "CC BY-SA; each article's own, CC0 or CC BY",
        ("*.csv",),
        read_pmc_vqa,
    ),
    "omnimedvqa": VqaSet(
        "OmniMedVQA (Hu et al. 2024), open-access part",
        "that of each source data set",
        ("QA_information/Open-access/*.json",),
        read_omnimedvqa,
    ),
    "mecovqa": VqaSet(
        "MeCoVQA (MedPLIB, 2024), images from SA-Med2D-20M",
        "images CC BY-NC-SA 4.0; questions for research only",
        ("*.json",),
        read_mecovqa,
    ),
}
