"""The IMAX that ships, on films that it did not learn from: fresh simulated ones, and real ones apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sagittal.builders.chest.prompts import multilabel_prompt
from sagittal.builders.shards import read_examples
from sagittal.evaluation.imax.pools import real_pool, simulated_films
from sagittal.evaluation.imax.runs import Say, sets_of
from sagittal.example import Example
from sagittal.io.films.names import FINDINGS
from sagittal.models.checkpoint import Score
from sagittal.models.vlm.chat import Chat
from sagittal.models.vlm.model import VLM
from sagittal.score.chest import LOWER, METRICS, ChestScores, score_answers
from sagittal.score.chest_tasks import Answered
from sagittal.score.descriptors import Figure
from sagittal.score.strict import read_labels
from sagittal.train.film_answers import put
from sagittal.train.film_features import FilmFeatures
from sagittal.train.film_set import FilmEntry, film_set, only
from sagittal.train.film_stream import FilmStream

#: Of the fresh films: how many, and their seed, which is that of no other film here.
FRESH_FILMS, FRESH_SEED = 150, 412
SIMULATED = "simulated films of a seed that it did not learn from"
REAL = "real: films of the NIH's, Montgomery and Shenzhen, ratios and boxes silver, words never trained on"
#: Beside a metric of Table 2, another one that says more.
_BESIDE = {"vqa-choose BLEU-1": "vqa-choose accuracy", "vqa-query BLEU-1": "vqa-query accuracy"}
#: What a card tells: a metric a task.
_TOLD = {
    "calculate-ctr MAE": "CTR, not measured", "calculate-cpar MAE": "CPAR, not measured",
    "caption METEOR": "reports", "cls-multiclass accuracy": "grade of oedema",
    "cls-multilabel micro F1": "conditions", "rec IoU": "boxes of organs", "reg accuracy": "names of boxes",
    "vqa-verify accuracy": "yes or no", "vqa-choose accuracy": "two choices",
    "vqa-query accuracy": "open questions",
}  # fmt: skip


def measured(model: VLM, chat: Chat, data: Path | None, work: Path, say: Say) -> dict[str, ChestScores]:
    """A model's scores by films.

    Args:
        model: in evaluation mode.
        chat: the one that it was trained with.
        data: folder of the development data; simulated films alone when ``None``.
        work: folder of what is made.
        say: told of films.
    """
    fresh = work / "fresh"
    films = simulated_films(fresh, FRESH_FILMS, FRESH_SEED, say)
    sets = sets_of(films / "statements", {films.name: films}, fresh / "sets", 0, everything=True)
    asked = [one for part in ("train", "test") for one in read_examples(sets / part)]
    found = {SIMULATED: scored(model, chat, asked, fresh, work / "features")}
    if data is not None:
        pool = real_pool("chest-findings", data, work, say)
        found[REAL] = scored(model, chat, pool.test, data, work / "features")
    return found


def scored(
    model: VLM, chat: Chat, examples: Sequence[Example], pictures: Path, features: Path
) -> ChestScores:
    """The model's own words, scored; ratios are its own numbers, nothing is measured.

    Args:
        model: in evaluation mode.
        chat: the one that it was trained with.
        examples: what to ask.
        pictures: folder that their paths count from.
        features: folder that keeps what the encoder sees.
    """
    films = film_set(examples, pictures, model.config.encoder.size[0])
    asked = only(films, [_of_all(entry) for entry in films.entries])
    answers = put(model, FilmStream(asked, FilmFeatures.make(model, films, features), chat, 0))
    return score_answers([_of_known(one) for one in answers])


def _of_all(entry: FilmEntry) -> FilmEntry:
    """Findings are asked for as the model learnt to be asked: all ten, where the labels know eight."""
    return replace(entry, prompt=multilabel_prompt()) if entry.task == "cls-multilabel" else entry


def _of_known(one: Answered) -> Answered:
    """Of the ten digits, those of the conditions that the labels know."""
    digits, _ = read_labels(one.text, len(FINDINGS)) if one.task == "cls-multilabel" else (None, None)
    if digits is None:
        return one
    said: dict[str, int] = dict(zip(FINDINGS, digits, strict=True))
    return replace(one, text=",".join(str(said[name]) for name in one.conditions))


def card_scores(by_data: Mapping[str, ChestScores]) -> tuple[Score, ...]:
    """As the card has them: a score a task and set of films."""
    return tuple(
        Score(
            data=data, metric=_metric(metric), of=_TOLD[metric],
            value=round(figure.value, 3), case=f"{_asked(own, metric)} questions", cases=_asked(own, metric),
            low=None, high=None,
        )
        for data, own in by_data.items()
        for metric, figure in table_figures(own).items()
        if metric in _TOLD
    )  # fmt: skip


def table_figures(own: ChestScores) -> dict[str, Figure]:
    """Table 2's metrics, words of lists by accuracy, too."""
    found = own.figures()
    names = [name for metric in METRICS for name in (metric, _BESIDE.get(metric)) if name in found]
    return {name: found[name] for name in names if name is not None}


def shipped_lines(by_data: Mapping[str, ChestScores]) -> list[str]:
    """A table a set of films."""
    lines = []
    for data, own in by_data.items():
        films = len({one.patient for one in own.answers})
        lines += [
            f"## {data[:1].upper()}{data[1:]}", "", f"{len(own.answers):,} questions about {films} patients.",
            "", "| metric | figure | questions |", "| --- " * 3 + "|",
        ]  # fmt: skip
        for metric, figure in table_figures(own).items():
            cell = f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"
            lines.append(f"| {metric} | {cell} | {_asked(own, metric)} |")
        unread = {task: sum(found.values()) for task, found in own.unread().items()}
        told = ", ".join(f"{task} {count}" for task, count in unread.items()) or "none"
        lines += ["", f"Answers that could not be read: {told}.", ""]
    return lines


def _asked(own: ChestScores, metric: str) -> int:
    return sum(one.task == metric.partition(" ")[0] for one in own.answers)


def _metric(metric: str) -> str:
    name = metric.partition(" ")[2]
    return f"{name}, hundredths" if metric in LOWER else name
