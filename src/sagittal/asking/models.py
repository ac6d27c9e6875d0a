"""Which model answers: cards are read and compared; weights are loaded once a process and kept."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from sagittal.agent.library import Library
from sagittal.agent.loop import Outcome, Planner
from sagittal.agent.toolbox import Toolbox
from sagittal.asking.slices import slices_in, whole_picture
from sagittal.errors import ConfigError, InputError, MissingExtraError
from sagittal.study import Image, Study
from sagittal.weights import checkpoints, find_checkpoint, no_checkpoint_remedy

if TYPE_CHECKING:
    from sagittal.asking.pointing import View
    from sagittal.models.checkpoint import Card, Score

# What says that data were made; such figures never stand for real ones.
_MADE = {"simulated", "simulation", "synthetic", "phantom", "phantoms"}
# Models whose weights stay in memory; two, so that one can be compared with another.
_KEPT = 2


class Answerer(Protocol):
    """A loaded model that writes programs."""

    def check(self, images: Sequence[Image]) -> None:
        """Refuse images that the model cannot see anything in.

        Raises:
            InputError: saying which, and why.
        """

    def session(self, question: str, volumes: Mapping[str, Image]) -> tuple[Planner, Toolbox]:
        """Planner and toolbox of one conversation about ``volumes``, variable → image."""


@runtime_checkable
class Speaker(Protocol):
    """A loaded model that answers by itself, without programs."""

    def check(self, images: Sequence[Image]) -> None:
        """Refuse images that the model cannot see anything in.

        Raises:
            InputError: saying which, and why.
        """

    def reply(self, question: str, volumes: Mapping[str, Image]) -> Outcome:
        """Answer a question about ``volumes``, variable → image."""


@runtime_checkable
class PictureSpeaker(Protocol):
    """A loaded model that answers about one picture, or one slice, and places on it."""

    def check(self, images: Sequence[Image]) -> None:
        """Refuse images that the model cannot see anything in.

        Raises:
            InputError: saying which, and why.
        """

    def reply_about(self, question: str, view: View) -> Outcome:
        """Answer a question about what is looked at."""


@runtime_checkable
class Consultant(Protocol):
    """A loaded model that calls specialists."""

    def check(self, images: Sequence[Image]) -> None:
        """Refuse images that the model cannot see anything in.

        Raises:
            InputError: saying which, and why.
        """

    def consultation(
        self,
        question: str,
        volumes: Mapping[str, Image],
        view: View | None,
        specialists: Sequence[str] | None,
    ) -> tuple[Planner, Library, Mapping[str, Image]]:
        """Planner, the specialists' functions, and the images of one conversation.

        Args:
            question: in words.
            volumes: variable → image.
            view: the slice that is looked at; ``None`` for whole volumes.
            specialists: names of those that may be called; all that can run when ``None``.

        Raises:
            InputError: one of them cannot run.
        """


Model = Answerer | Speaker | PictureSpeaker | Consultant


@dataclass(frozen=True)
class Offer:
    """A model that could be asked: its card, and the way to load it.

    Attributes:
        name: what ``--model`` calls it.
        card: what it is, how well it does, what it accepts.
        load: gives the model; called when a question is asked.
        speaks: whether it answers by itself, without programs.
        consults: whether it answers by what specialists find.
    """

    name: str
    card: Card
    load: Callable[[], Model]
    speaks: bool = False
    consults: bool = False


@dataclass(frozen=True)
class Choice:
    """The model that answers, and why it.

    Attributes:
        offer: the model.
        why: in words.
        others: models that take these images, too, in the order in which they are asked where the one before
            abstains.
    """

    offer: Offer
    why: str
    others: tuple[Offer, ...] = ()


def agent_of(offer: Offer) -> Answerer:
    """The loaded model of an offer that writes programs.

    Raises:
        ConfigError: it answers by itself.
    """
    loaded = offer.load()
    if isinstance(loaded, Speaker | PictureSpeaker | Consultant):
        raise ConfigError(
            "This measures models that write programs.", expected="such as voxelprompt-small", got=offer.name
        )
    return loaded


def _open_voxelprompt(folder: Path) -> Answerer:
    from sagittal.asking.voxelprompt import VoxelPromptAnswerer

    return VoxelPromptAnswerer.load(folder)


def _open_mpllm(folder: Path) -> Speaker:
    from sagittal.asking.mpllm import MpLLMAnswerer

    return MpLLMAnswerer.load(folder)


def _open_medplib(folder: Path) -> PictureSpeaker:
    from sagittal.asking.medplib import MedPLIBAnswerer

    return MedPLIBAnswerer.load(folder)


def _open_imax(folder: Path) -> PictureSpeaker:
    from sagittal.asking.imax import IMAXAnswerer

    return IMAXAnswerer.load(folder)


def _open_vila_m3(folder: Path) -> Consultant:
    from sagittal.asking.vila_m3 import VilaM3Answerer

    return VilaM3Answerer.load(folder)


#: Kind of checkpoint, and what a vision-language model is for → how it is loaded.
OPENERS: Mapping[str, Callable[[Path], Model]] = {
    "voxelprompt": _open_voxelprompt,
    "vlm/mpllm": _open_mpllm,
    "vlm/medplib": _open_medplib,
    "vlm/imax": _open_imax,
    "vlm/vila-m3": _open_vila_m3,
}


def offers(model: str | Path | Offer) -> list[Offer]:
    """The models that may answer.

    Args:
        model: ``auto`` for all at hand that can be asked; a name; a checkpoint's folder; or an offer.

    Raises:
        InputError: none is at hand, or there is none of this name.
        ConfigError: the model is of a kind that is not asked.
        IntegrityError, FileFormatError, StorageError: a checkpoint is damaged.
        MissingExtraError: torch is not installed.
    """
    if isinstance(model, Offer):
        return [model]
    if str(model) == "auto":
        found = [offer for name, folder in checkpoints().items() if (offer := _offer(name, folder))]
        if not found:
            raise InputError(
                "There is no model that can be asked.",
                expected="a checkpoint",
                got="none ships with this installation, and none was added",
                remedy=no_checkpoint_remedy(),
            )
        return found
    folder = find_checkpoint(str(model))
    offer = _offer(folder.resolve().name, folder)
    if offer is None:
        raise ConfigError(
            "This kind of model is not asked.", expected=f"one of: {', '.join(OPENERS)}", got=model
        )
    return [offer]


def _offer(name: str, folder: Path) -> Offer | None:
    """A checkpoint's offer; ``None`` for a kind of model that is not asked, such as an encoder."""
    try:
        from sagittal.models.checkpoint import open_checkpoint
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "safetensors"):
            raise
        raise MissingExtraError("Asking a model", "models") from error

    checkpoint = open_checkpoint(folder)
    task = checkpoint.config.get("task")
    kind = f"{checkpoint.kind}/{task}" if task else checkpoint.kind
    if kind not in OPENERS:
        return None
    speaks = checkpoint.kind == "vlm"
    consults = kind == "vlm/vila-m3"
    return Offer(name, checkpoint.card, lambda: _kept(kind, folder.resolve()), speaks, consults)


_cache: OrderedDict[tuple[Path, int, int], Model] = OrderedDict()


def _kept(kind: str, folder: Path) -> Model:
    """The model of a folder, loaded once; a folder that was written anew is loaded anew."""
    card = (folder / "card.json").stat()
    key = (folder, card.st_mtime_ns, card.st_size)
    if key not in _cache:
        while len(_cache) >= _KEPT:
            _cache.popitem(last=False)
        _cache[key] = OPENERS[kind](folder)
    _cache.move_to_end(key)
    return _cache[key]


def choose(
    found: Sequence[Offer],
    study: Study,
    view: View | None = None,
    reservations: Mapping[str, str] | None = None,
) -> Choice:
    """The model that answers about a study, or about what is looked at of it.

    Of several that accept it, one that was measured on real scans goes before one that was not; then one
    that writes programs, which knows more kinds of question; then one that answers by what it sees, not by
    what specialists find; then one that was made for fewer kinds of image; then the first by name.

    Args:
        found: what may answer, at least one.
        study: what was given.
        view: the slice and the places that are looked at; ``None`` for whole volumes.
        reservations: image → why models of whole volumes cannot be asked about it.

    Raises:
        InputError: none accepts the study; each says why.
    """
    refusals = {offer.name: _why_not(offer, study, view, reservations or {}) for offer in found}
    willing = [offer for offer in found if refusals[offer.name] is None]
    if not willing:
        raise InputError(
            "No model here can be asked about these images.",
            expected="; ".join(f"{offer.name} takes {accepted(offer.card)}" for offer in found),
            got="; ".join(f"{name}: {why}" for name, why in refusals.items()),
            remedy=_remedy(found, study, view),
        )

    def rank(offer: Offer) -> tuple[bool, bool, bool, int]:
        measured = bool(real_scores(offer.card))
        return not measured, offer.speaks, offer.consults, len(offer.card.accepts.kinds)

    ranked = sorted(willing, key=rank)
    chosen = ranked[0]
    why = f"it takes {accepted(chosen.card)}"
    if len(found) == 1:
        return Choice(chosen, why)
    if len(willing) == 1:
        others = "; ".join(f"{name}: {reason}" for name, reason in refusals.items() if reason)
        return Choice(chosen, f"{why}; not {others}")
    after = tuple(ranked[1:])
    measured = bool(real_scores(chosen.card)) and not all(real_scores(offer.card) for offer in willing)
    others = ", ".join(offer.name for offer in after)
    if measured:
        reason = "was measured on real scans"
    elif any(offer.speaks for offer in after) and not chosen.speaks:
        reason = "knows more kinds of question"
    elif not chosen.consults and all(offer.consults for offer in after):
        reason = "answers by what it sees itself"
    elif all(len(chosen.card.accepts.kinds) < len(offer.card.accepts.kinds) for offer in after):
        reason = "was made for fewer kinds of image"
    else:
        reason = "comes first by name"
    return Choice(chosen, f"{why}; {others} would, too, and this one {reason}", after)


def _why_not(offer: Offer, study: Study, view: View | None, reservations: Mapping[str, str]) -> str | None:
    """Why a model cannot be asked; ``None`` when it can."""
    accepts = offer.card.accepts
    if view is not None:
        study = replace(study, images=(view.slice.image,))
    # Said first: what is wrong with an image is more than that it is not a volume.
    reasons = [reservations[i.name] for i in study.images if i.name in reservations]
    if reasons and not accepts.pictures:
        return reasons[0]
    sliced = view is not None and not view.slice.is_whole
    return accepts.why_not(study, regions=view is not None and bool(view.regions), sliced=sliced)


def _remedy(found: Sequence[Offer], study: Study, view: View | None) -> str:
    otherwise = "give other images, fewer of them, or another model (--model)"
    volume = next((image for image in study.images if whole_picture(image) is None), None)
    if view is not None or volume is None or not any(offer.card.accepts.pictures for offer in found):
        return otherwise
    last = slices_in(volume, "axial") - 1
    return (
        f"name a slice: --slice axial:{last // 2} (0 to {last}), or point at a place: "
        f"--region point:mm:X,Y,Z; or {otherwise}"
    )


def accepted(card: Card) -> str:
    """What a model accepts, in words."""
    kinds = ", ".join(card.accepts.kinds)
    if card.accepts.pictures:
        pointing = ", with places on it" if card.accepts.regions else ""
        return f"{kinds} (one picture, or one slice of a volume{pointing})"
    most = card.accepts.most_sessions
    visits = f", up to {most} visits" if most > 1 else ", one visit"
    return f"{kinds} (up to {card.accepts.most_volumes} images{visits})"


def real_scores(card: Card) -> list[Score]:
    """A card's scores on real scans: those whose data are called real, and not simulated.

    Cases of the same data, metric and structure are one score: their mean, and the lowest and highest.
    """
    together: dict[tuple[str, str, str], list[Score]] = {}
    for score in card.scores:
        said = set(re.findall("[a-z]+", score.data.lower()))
        if "real" in said and not said & _MADE:
            together.setdefault((score.data, score.metric, score.of), []).append(score)
    return [_over(scores) for scores in together.values()]


def _over(scores: list[Score]) -> Score:
    """One score of several cases; what is one already stays as it is."""
    if len(scores) == 1:
        return scores[0]
    values = [s.value for s in scores]
    changed = {"value": sum(values) / len(values), "low": min(values), "high": max(values)}
    return scores[0].model_copy(update={**changed, "case": "", "cases": len(scores)})
