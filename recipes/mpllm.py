"""The shipped mpLLM, from simulated tumour studies.

    python recipes/mpllm_data.py --heads HEADS --out runs/mpllm/data
    python recipes/decoder.py --slake SLAKE/train.json --ship FOLDER
    python recipes/mpllm.py encoder
    python recipes/mpllm.py pooled
    python recipes/mpllm.py train --slake SLAKE/train.json
    python recipes/mpllm.py ship --stage train --ship FOLDER
    python recipes/mpllm.py words --start FOLDER --slake SLAKE/train.json
    python recipes/mpllm.py ship --start FOLDER --ship FOLDER-TWO --real DATA

``encoder`` learns to say what lies where, from one sequence at a time; ``pooled`` goes on with what pooled
tokens tell, too; then the encoder is frozen. ``train`` learns projector, heads and language model together
(Eq. 2), with sequences missing now and then, and questions that are none of mpLLM's (in what ships, labels
had the paper's names alone until step 1,500). Each about an hour on one or two cores. ``words`` goes on from
what was shipped: the words learn to say what they are told, and short questions are asked; ten minutes.
``ship`` finds the heads' temperatures on validation questions, and writes the checkpoint.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import torch

from sagittal.asking.mpllm import MpLLMAnswerer
from sagittal.evaluation.mpllm.real import real_answers
from sagittal.language.tumour_wordings import TumourWordings
from sagittal.models.checkpoint import Accepts, Card, Score
from sagittal.models.mpllm.presets import mpllm_config
from sagittal.models.mpllm.tasks import HEADS
from sagittal.models.vlm.chat import Chat, OwnChat
from sagittal.models.vlm.decoder import load_decoder
from sagittal.models.vlm.model import VLM
from sagittal.models.vlm.presets import SMALL_ENCODER
from sagittal.models.vlm.storage import load_vlm, save_vlm
from sagittal.nn.vit import ViT
from sagittal.runtime import autocast, keep_memory, runtime
from sagittal.score.descriptors import TASKS, hits
from sagittal.train.decoder_texts import slake_pairs
from sagittal.train.loop import Loop, LoopConfig, use_mean
from sagittal.train.mpllm import MpLLMTraining, freeze_encoder, hidden_matrices, rounded
from sagittal.train.strays import strays
from sagittal.train.temperature import fit_temperatures, fold_temperatures
from sagittal.train.tumour_bank import TumourBank
from sagittal.train.tumour_stream import FeatureStore, StreamConfig, TumourStream
from sagittal.train.tumour_worlds import WORLDS
from sagittal.train.voxel_labels import VoxelLabels, VoxelLabelTraining
from sagittal.weights import find_checkpoint

SEED = 20261
ENCODER = LoopConfig(
    steps=2_400, rate=1e-3, hidden_rate=4e-3, warm_up=100, decay=0.02, mean_over=200, save_every=100,
    score_every=400,
)  # fmt: skip
POOLED = LoopConfig(
    steps=1_200, rate=7e-4, hidden_rate=2.5e-3, warm_up=40, decay=0.02, mean_over=120, save_every=100,
    score_every=400,
)  # fmt: skip
TRAIN = LoopConfig(
    steps=2_600, rate=1e-3, hidden_rate=3e-3, warm_up=60, decay=0.02, mean_over=150, save_every=100,
    score_every=400,
)  # fmt: skip
WORDS = LoopConfig(
    steps=900, rate=5e-4, hidden_rate=1.5e-3, warm_up=30, decay=0.02, mean_over=100, save_every=100,
    score_every=300,
)  # fmt: skip
LEARNING = StreamConfig(missing=0.25, stray=0.1, renamed=0.6)
SAYING = dataclasses.replace(LEARNING, untold=0.05, short=0.25, other=0.5)
CHOOSING = StreamConfig(batch=64, pool="withheld")


def main() -> None:
    """One of the steps."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=("encoder", "pooled", "train", "words", "ship"))
    parser.add_argument("--data", type=Path, default=Path("runs/mpllm/data"))
    parser.add_argument("--decoder", default="decoder-small", help="name or folder of the checkpoint")
    parser.add_argument("--slake", type=Path, help="SLAKE's train.json: its questions are none of mpLLM's")
    parser.add_argument("--out", type=Path, default=Path("runs/mpllm"))
    parser.add_argument("--start", default="mpllm-small", help="model that `words` goes on from")
    parser.add_argument("--stage", choices=("train", "words"), default="words", help="what `ship` ships")
    parser.add_argument("--ship", type=Path, help="folder that receives the checkpoint")
    parser.add_argument("--real", type=Path, help="labelled real scans, for the card's scores")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=SEED)
    given = parser.parse_args()
    torch.manual_seed(given.seed)
    torch.set_flush_denormal(True)
    keep_memory()
    steps = {"encoder": _encoder, "pooled": _encoder, "train": _train, "words": _train, "ship": _ship}
    steps[given.step](given)


def _encoder(given: argparse.Namespace) -> None:
    module = VoxelLabels(ViT(SMALL_ENCODER), pooled=given.step == "pooled")
    if given.step == "pooled":
        before = VoxelLabels(module.encoder, pooled=False)
        use_mean(torch.load(given.out / "encoder" / "last.pt", weights_only=True), before)
        module.load_state_dict(before.state_dict(), strict=False)
    training = VoxelLabelTraining(
        module,
        _bank(given, "training"),
        _bank(given, "validation"),
        studies=4,
        seed=given.seed + (given.step == "pooled"),
    )
    hidden = [p for block in module.encoder.blocks for p in block.parameters() if p.ndim == 2]
    loop = Loop(
        module, POOLED if given.step == "pooled" else ENCODER, training.loss, given.out / given.step,
        scores=training.scores, say=_say, hidden=hidden,
    )  # fmt: skip
    loop.run(minutes=given.minutes)


def _train(given: argparse.Namespace) -> None:
    words = given.step == "words"
    model, chat = _shipped(given) if words else _begun(given)
    pairs = slake_pairs(given.slake, languages=("en", "zh")) if given.slake else []
    others = [question for question, _ in pairs]
    training = MpLLMTraining(
        model,
        _stream(given, model, chat, "training", SAYING if words else LEARNING, others),
        _stream(given, model, chat, "validation", CHOOSING),
    )
    loop = Loop(
        model, WORDS if words else TRAIN, training.loss, given.out / given.step, scores=training.scores,
        say=_say, hidden=hidden_matrices(model),
    )  # fmt: skip
    loop.run(minutes=given.minutes)


def _ship(given: argparse.Namespace) -> None:
    model, chat = _shipped(given) if given.stage == "words" else _begun(given)
    use_mean(torch.load(given.out / given.stage / "last.pt", weights_only=True), model)
    model.eval()
    logits: dict[str, list[torch.Tensor]] = {head.name: [] for head in HEADS}
    targets: dict[str, list[torch.Tensor]] = {head.name: [] for head in HEADS}
    # Half of the questions in phrases that it knows, half in others: people use both.
    for config in (CHOOSING, dataclasses.replace(CHOOSING, pool="train")):
        stream = _stream(given, model, chat, "validation", config)
        for number in range(32):
            turn, truth = stream.batch(number)
            with torch.no_grad(), autocast():
                found = model.prompt(turn.question, turn.features, turn.header).heads
            for name in logits:
                logits[name].append(found[name].float())
                targets[name].append(truth[name])
    temperatures = fit_temperatures(
        model.heads,
        {name: torch.cat(parts) for name, parts in logits.items()},
        {name: torch.cat(parts) for name, parts in targets.items()},
    )
    print("temperatures", {name: round(value, 3) for name, value in temperatures.items()})
    fold_temperatures(model.heads, temperatures)
    answerer = MpLLMAnswerer("mpllm-small", model, chat, runtime("cpu"))
    scores = real_scores(answerer, given.real) if given.real else ()
    save_vlm(given.ship, model, chat, card(scores), task="mpllm")


def real_scores(answerer: MpLLMAnswerer, data: Path) -> tuple[Score, ...]:
    """Agreement with the reference masks of each final case, a task each."""
    found = list(real_answers(answerer, data, final=True))
    scores = []
    for case in dict.fromkeys(one.case for one in found):
        own = [one for one in found if one.case == case]
        figures = hits([one.truth for one in own], [one.given for one in own]).figures()
        scores += [
            Score(
                data=f"real: {own[0].source}", metric="classes as computed from the masks, share", of=task,
                value=round(figures[task], 3), case=case,
            )
            for task in TASKS
        ]  # fmt: skip
    return tuple(scores)


def card(scores: tuple[Score, ...]) -> Card:
    """What to know about the model."""
    return Card(
        name="mpllm-small",
        summary="Tells volume, region, shape and spread of a tumour's parts in classes and words (mpLLM).",
        licence="Apache-2.0",
        data=(
            "2,400 brain MR studies with tumours, simulated from seven people's head label maps (heads "
            "01-07; Billot et al., SynthSeg, Apache-2.0)",
            "questions from this project's grammar; SLAKE 1.0's training questions, as ones that it does not "
            "answer (CC BY 4.0)",
        ),
        recipe=f"recipes/mpllm_data.py, decoder.py, mpllm.py, seed {SEED}",
        scores=scores,
        limits=(
            "medical research software, not a medical device: never for diagnosis or treatment",
            "skull-stripped scans of adults' brains with a tumour; T1, T1 with contrast, T2 and FLAIR",
            "trained on simulated scans alone; classes are coarse, and shape and spread are unsure",
            "regions by the head's own anatomy, white matter among the lobes; not an atlas's",
            "English; questions outside volume, region, shape and spread are declined",
        ),
        accepts=Accepts(kinds=("t1", "t1c", "t2", "flair"), most_volumes=4),
    )


def _begun(given: argparse.Namespace) -> tuple[VLM, Chat]:
    """The model before it is trained: frozen encoder and pretrained decoder, as they ship."""
    decoder, tokenizer = load_decoder(find_checkpoint(given.decoder))
    model = VLM(mpllm_config("small", tokenizer.size)).train()
    use_mean(torch.load(given.out / "pooled" / "last.pt", weights_only=True), VoxelLabels(model.encoder))
    rounded(model.encoder)
    model.language.load_state_dict(decoder.state_dict())
    freeze_encoder(model)
    return model, OwnChat(tokenizer)


def _shipped(given: argparse.Namespace) -> tuple[VLM, Chat]:
    made, chat, _ = load_vlm(find_checkpoint(given.start), task="mpllm")
    # Heads decide as they do today, whatever the checkpoint's did.
    model = VLM(made.config.model_copy(update={"heads": HEADS})).train()
    model.load_state_dict(made.state_dict())
    freeze_encoder(model)
    return model, chat


def _stream(
    given: argparse.Namespace, model: VLM, chat: Chat, split: str, config: StreamConfig,
    others: list[str] | None = None,
) -> TumourStream:  # fmt: skip
    bank = _bank(given, split)
    features = FeatureStore.make(model, bank, given.out / "features" / f"{split}.pt")
    return TumourStream(
        bank, features, chat, TumourWordings.load(), given.seed, told=True, config=config,
        strays=strays("train", others or []),
    )  # fmt: skip


def _bank(given: argparse.Namespace, split: str) -> TumourBank:
    return TumourBank([given.data / split / name for name in WORLDS])


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
