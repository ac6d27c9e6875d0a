"""``sagittal reproduce vila-m3``: triggers, answers with and without specialists, language that was kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sagittal.cli.console import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from sagittal.asking.vila_m3_voice import VilaM3
    from sagittal.builders.specialist_qa.shown import Shown
    from sagittal.evaluation.vila_m3.triggers import Triggered, TriggerItem
    from sagittal.specialists.card import SpecialistCard

#: Batches of sixteen questions of the grammar's withheld wordings.
BATCHES = 60
_SEED = 77
_PUBLISHED = Path("vila_m3_expert_qa") / "m3" / "data_prepare" / "experts" / "llama_output"
_SLAKE = Path("slake_json") / "Slake1.0"


def vila_m3_page(model: str, data: Path, questions: Path, work: Path, green: Path | None = None) -> list[str]:
    """Every section.

    Args:
        model: a checkpoint's name or folder.
        data: folder of the development data.
        questions: folder of the independent questions and their cards.
        work: folder of the runs; ``vila_m3`` in its parent holds the curves of the training.
        green: folder of a GREEN model that judges reports; none without.
    """
    from sagittal.asking.models import offers
    from sagittal.evaluation.vila_m3.brain import brain_lines, brain_replies
    from sagittal.evaluation.vila_m3.films import film_lines, film_replies
    from sagittal.evaluation.vila_m3.green import GreenJudge
    from sagittal.evaluation.vila_m3.page import cost_lines, judge_lines, learning_lines
    from sagittal.files import sha256_file
    from sagittal.models.checkpoint import WEIGHTS
    from sagittal.runtime import runtime
    from sagittal.weights import find_checkpoint

    folder = find_checkpoint(model)
    # Before anything slow: a judge that cannot be read is told at once.
    judge = GreenJudge.load(green, runtime().device) if green else None
    [offer] = offers(folder)
    curves = {stage: work.parent / "vila_m3" / stage / "curve.jsonl" for stage in ("words", "all", "more")}
    final = list(brain_replies(offer, data, final=True, say=_say))
    others = list(brain_replies(offer, data, final=False, say=_say))
    films = list(film_replies(offer, data, _say))
    return [
        f"Weights' SHA-256: {sha256_file(folder / WEIGHTS)[:16]}…. Recipe: `recipes/vila_m3.py`. Medical "
        "research software, not a device. 95 % intervals over resampled questions, cases or patients.",
        "", "## Triggers", "", *_triggers(folder, data, questions),
        "## Real brains, final cases", "", *brain_lines(final),
        "## Real brains, cases that could be looked at", "", *brain_lines(others),
        "## Real films: a report each", "",
        "NIH ChestX-ray14, patients that no network here was trained on; labels mined from text. BLEU and "
        "ROUGE are against the labels as sentences of the same pool: they tell how wordings agree, not how a "
        "radiologist writes.",
        "", *film_lines(films, judge), *judge_lines(judge.weights if judge else {}),
        "## Cost of an answer", "",
        *cost_lines([*(one.reply for one in (*final, *others)), *(one.reply for one in films)]),
        "## Language that was kept", "", *_retention(folder, data),
        "## Learning", "", *learning_lines(curves),
    ]  # fmt: skip


def training_page(model: str, data: Path, work: Path, out: Path) -> list[str]:
    """Balance, epochs and sizes; fourteen trainings of three to twenty minutes where they are not there yet.

    Args:
        model: a VILA-M3, whose encoder's pictures are looked at.
        data: folder of the development data.
        work: folder of the runs; ``vila_m3`` in its parent is that of the recipe.
        out: folder of the page; its picture goes into ``vila_m3`` there.
    """
    from sagittal.evaluation.vila_m3.training_page import training_lines
    from sagittal.evaluation.vila_m3.training_runs import Ground, run_variant
    from sagittal.evaluation.vila_m3.variants import RUNS
    from sagittal.models.vlm.storage import load_vlm
    from sagittal.weights import find_checkpoint

    edge = load_vlm(find_checkpoint(model), task="vila-m3")[0].config.encoder.size[0]
    ground = Ground.of(work.parent / "vila_m3", data, work / "vila-m3-training", edge)
    found = {(name, seed): run_variant(ground, name, seed, _say) for name, seed in RUNS}
    return training_lines(found, out / "vila_m3" / "sizes.png")


def _triggers(folder: Path, data: Path, questions: Path) -> list[str]:
    import yaml

    from sagittal.asking.vila_m3 import VilaM3Answerer
    from sagittal.builders.specialist_qa.maker import TalkMaker
    from sagittal.evaluation.vila_m3.held_out import held_out
    from sagittal.evaluation.vila_m3.page import trigger_lines
    from sagittal.evaluation.vila_m3.plain_pictures import plain_pictures
    from sagittal.evaluation.vila_m3.published import read_published
    from sagittal.evaluation.vila_m3.triggers import read_items
    from sagittal.language.specialist_wordings import SpecialistWordings
    from sagittal.specialists.card import SpecialistCard
    from sagittal.specialists.registry import specialists
    from sagittal.train.talks import LivePictures, TalkStream

    loaded = VilaM3Answerer.load(folder).loaded
    shown, squares = plain_pictures(data, loaded.model.config.encoder.size[0])
    shipped = {name: entry.card for name, entry in specialists().entries.items()}
    maker = TalkMaker(shown, shipped, _SEED, pool="withheld")
    stream = TalkStream(maker, LivePictures(loaded.model, squares), loaded.chat)
    held = held_out(loaded.model, stream, maker, BATCHES, _say)
    # A form of question that was never met, and a name that was never met, are two things.
    new_name = SpecialistWordings.load().has_withheld_name
    groups: dict[str, list[Triggered]] = {
        "withheld templates": [one for one in held if not new_name(one.item.question)],
        "withheld names of things": [one for one in held if new_name(one.item.question)],
    }
    with (questions / "trigger_cards.yaml").open("rb") as handle:
        theirs = [SpecialistCard.model_validate(card) for card in yaml.safe_load_all(handle)]
    known = {**shipped, **{card.name: card for card in theirs}}
    sets = {
        "independent questions": read_items(questions / "trigger_questions.jsonl"),
        "VILA-M3's published wordings": read_published(data / _PUBLISHED),
    }
    for title, items in sets.items():
        for as_asked in (False, True):
            which = "as asked: cards that suit the images" if as_asked else "all cards shown"
            _say(f"{title}, {which}")
            groups[f"{title}, {which}"] = _asked(loaded, items, known, (shown, squares), as_asked=as_asked)
    return trigger_lines(groups, frozenset(shipped))


def _asked(
    loaded: VilaM3, items: list[TriggerItem], known: Mapping[str, SpecialistCard],
    pictures: tuple[Shown, NDArray[np.uint8]], *, as_asked: bool,
) -> list[Triggered]:  # fmt: skip
    from sagittal.evaluation.vila_m3.triggers import triggered
    from sagittal.language.specialist_things import imaged_of

    shown, squares = pictures

    def picture_of(item: TriggerItem) -> NDArray[np.uint8]:
        own = shown.plain[imaged_of(item.kinds[0])]
        return squares[own[len(item.question) % len(own)]].transpose(1, 2, 0)

    return triggered(loaded, items, known, picture_of, _say, as_asked=as_asked)


def _retention(folder: Path, data: Path) -> list[str]:
    from sagittal.evaluation.vila_m3.page import retention_lines
    from sagittal.evaluation.vila_m3.retention import answer_losses, unread
    from sagittal.models.vlm.chat import OwnChat
    from sagittal.models.vlm.decoder import load_decoder
    from sagittal.models.vlm.storage import load_vlm
    from sagittal.train.decoder_texts import slake_pairs
    from sagittal.weights import find_checkpoint

    pairs = slake_pairs(data / _SLAKE / "test.json")
    fresh = unread(pairs, slake_pairs(data / _SLAKE / "train.json"))
    before, tokenizer = load_decoder(find_checkpoint("decoder-small"))
    after, chat, _ = load_vlm(folder, task="vila-m3")
    losses = answer_losses(before, OwnChat(tokenizer), fresh), answer_losses(after.language, chat, fresh)
    return retention_lines(*losses, len(fresh), len(pairs))


def _say(line: str) -> None:
    errors().print(line, markup=False)
