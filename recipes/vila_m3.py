"""VILA-M3's small model: specialists run over studies, conversations made of that, and training on them.

    python recipes/vila_m3.py bank --heads DATA/synthseg_labelmaps/data/training_label_maps --data DATA
    python recipes/vila_m3.py copy --data DATA
    python recipes/vila_m3.py words --data DATA
    python recipes/vila_m3.py all --data DATA
    torchrun --nproc-per-node=2 recipes/vila_m3.py more --data DATA --begin CHECKPOINT
    python recipes/vila_m3.py ship --data DATA --ship src/sagittal/weights
    python recipes/vila_m3.py adapt --data DATA

``bank`` runs the specialists; with ``--part 0/2`` and ``--part 1/2`` two processes share it. ``copy`` teaches
the language model to find and repeat what stood before, as reading cards asks of it. ``words`` trains
projector and language model on what the encoder saw once; ``all`` goes on with the encoder, too, as published
(§3.1). ``more`` teaches what shipped before (``--begin``) further, encoder frozen, and needs none of the
steps before it but the bank: so was ``vila-m3-small`` made, twice in a row, when imagined results, other
answers and more wordings had come to its conversations. ``ship`` writes the checkpoint of the last step that
was trained. ``adapt`` puts SmolLM2-135M in the small decoder's place (fetched before by ``sagittal models add
smollm2``) and trains projector and adapters alone; its checkpoint, OUT/adapt/vila-m3-smollm2, is too large to
ship. Each step goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

from sagittal.asking.models import Offer
from sagittal.asking.vila_m3 import VilaM3Answerer
from sagittal.asking.vila_m3_voice import VilaM3
from sagittal.builders.consultations import write_case
from sagittal.builders.specialist_qa.maker import TalkMaker
from sagittal.evaluation.vila_m3.brain import brain_replies, card_scores
from sagittal.io.nifti import read_image
from sagittal.language.voxel_everyday import TypingConfig
from sagittal.models.checkpoint import Accepts, Card, Score
from sagittal.models.vlm.chat import Chat
from sagittal.models.vlm.decoder import load_decoder
from sagittal.models.vlm.model import VLM
from sagittal.models.vlm.storage import load_vlm, save_vlm
from sagittal.runtime import keep_memory, runtime
from sagittal.specialists.pool import Pool
from sagittal.specialists.registry import specialists
from sagittal.splits import Split
from sagittal.train.consulted_studies import Wanted, film_studies, head_studies, nih_studies, slice_studies
from sagittal.train.copying import CopyTraining
from sagittal.train.decoder_texts import slake_pairs
from sagittal.train.loop import Loop, LoopConfig, use_mean
from sagittal.train.mpllm import freeze_encoder, hidden_matrices, layer_matrices, rounded
from sagittal.train.processes import training_processes
from sagittal.train.shown_pictures import Pictures, pictures_of
from sagittal.train.talks import LivePictures, SeenPictures, TalkStream, TalkTraining
from sagittal.train.tumour_worlds import heads_of
from sagittal.train.vila_m3_start import adapted, begun
from sagittal.weights import find_checkpoint

SEED = 20265
#: Studies of each kind, by split.
HEADS = {"train": 40, "validation": 8}
SLICES = {"train": 60, "validation": 10}
FILMS = {"train": 200, "validation": 24}
SPLITS: tuple[Split, ...] = ("validation", "train")
#: A CT scan whose slices are shown where CT is asked about; Apache-2.0.
SCAN = Path("totalseg_refs") / "example_ct_sm.nii.gz"
#: Questions and answers of words alone, so that the language is kept; CC BY 4.0.
SLAKE = Path("slake_json") / "Slake1.0" / "train.json"
#: Share of batches in which no specialist may be called.
ALONE = 0.12
STEPS = {"copy": 1_500, "words": 4_500, "all": 400, "more": 1_200, "adapt": 1_000}
#: How ``vila-m3-small`` was made.
SHIPPED = "copy, words, all; then more, twice, on newer conversations"
#: Conversations of a batch; a large language model takes few at a time.
BATCH = {"adapt": 4}
_LOOPS = {
    "copy": LoopConfig(
        steps=STEPS["copy"], rate=2e-3, hidden_rate=4e-3, warm_up=50, decay=0.0, mean_over=50,
        save_every=100, score_every=250,
    ),
    "words": LoopConfig(
        steps=STEPS["words"], rate=1e-3, hidden_rate=3e-3, warm_up=200, decay=0.02, mean_over=300,
        save_every=100, score_every=500,
    ),
    "all": LoopConfig(
        steps=STEPS["all"], rate=3e-4, hidden_rate=9e-4, warm_up=50, decay=0.02, mean_over=100,
        save_every=50, score_every=200,
    ),
    "more": LoopConfig(
        steps=STEPS["more"], rate=1e-3, hidden_rate=3e-3, warm_up=60, decay=0.02, mean_over=150,
        save_every=50, score_every=600,
    ),
    "adapt": LoopConfig(
        steps=STEPS["adapt"], rate=2e-4, warm_up=30, decay=0.0, mean_over=100, save_every=25, score_every=250,
        report_every=5,
    ),
}  # fmt: skip


def main() -> None:
    """One of the steps."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=("bank", *STEPS, "ship"))
    parser.add_argument("--out", type=Path, default=Path("runs/vila_m3"))
    parser.add_argument("--heads", type=Path, help="folder of the label maps of heads")
    parser.add_argument("--data", type=Path, required=True, help="folder of the real images")
    parser.add_argument("--begin", default="vila-m3-small", help="checkpoint that ``more`` goes on from")
    parser.add_argument("--part", default="0/1", help="which of how many processes this is, such as 1/2")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--ship", type=Path, default=Path("runs/vila_m3/ship"), help="folder of checkpoints")
    given = parser.parse_args()
    torch.manual_seed(SEED)
    torch.set_num_threads(given.threads)
    torch.set_flush_denormal(True)
    keep_memory()
    if given.step == "bank":
        _bank(given)
    elif given.step == "copy":
        _copy(given)
    elif given.step == "ship":
        _ship(given)
    else:
        _train(given)


def _bank(given: argparse.Namespace) -> None:
    number, of = (int(n) for n in given.part.split("/"))
    programs = {name: entry.program for name, entry in specialists().ready().items()}
    pool = Pool()
    for split in SPLITS:
        for wanted in _wanted(given, split, (number, of)):
            home = given.out / "bank" / split
            if write_case(home, wanted.study, wanted.origin, wanted.calls, programs, pool):
                _say(f"{split} {wanted.study.name}: {len(wanted.calls)} calls")
    pool.close()


def _wanted(given: argparse.Namespace, split: Split, part: tuple[int, int]) -> Iterator[Wanted]:
    assert split != "test", "nothing here is tested on"
    heads = heads_of(given.heads, split)
    return itertools.chain(
        film_studies(split, FILMS[split], part), nih_studies(given.data, split, part),
        slice_studies(heads, split, SLICES[split], part), head_studies(heads, split, HEADS[split], part),
    )  # fmt: skip


def _pictures(given: argparse.Namespace, split: Split, edge: int) -> Pictures:
    scan = read_image(given.data / SCAN, kind="ct")
    return pictures_of(given.out / "bank" / split, edge, given.out / f"pictures-{split}.npy", [scan])


def _shipped_before(given: argparse.Namespace) -> tuple[VLM, Chat]:
    """What ``more`` goes on from."""
    model, chat, _ = load_vlm(find_checkpoint(given.begin), task="vila-m3")
    return model.train(), chat


def _loop(step: str) -> LoopConfig:
    """A batch of each step for each process, as many as were started."""
    return replace(_LOOPS[step], accumulate=training_processes("cpu").num_processes)


def _copy(given: argparse.Namespace) -> None:
    language, _ = load_decoder(find_checkpoint("decoder-small"))
    training = CopyTraining(language.train(), SEED)
    loop = Loop(
        language, _loop("copy"), training.loss, given.out / "copy", scores=training.scores, say=_say,
        hidden=layer_matrices(language),
    )  # fmt: skip
    loop.run(minutes=given.minutes)


def _start(given: argparse.Namespace) -> tuple[VLM, Chat]:
    if given.step == "adapt":
        return adapted("smollm2")
    return _shipped_before(given) if given.step == "more" else begun(given.out / "copy" / "last.pt")


def _train(given: argparse.Namespace) -> None:
    model, chat = _start(given)
    freeze_encoder(model)
    if given.step == "all":
        # The mean is of what was trained then.
        use_mean(torch.load(given.out / "words" / "last.pt", weights_only=True), model)
        model.encoder.requires_grad_(True)
    cards = {name: entry.card for name, entry in specialists().entries.items()}
    edge = model.config.encoder.size[0]
    streams = []
    seeds: dict[Split, int] = {"train": SEED, "validation": 1}
    for split, seed in seeds.items():
        found = _pictures(given, split, edge)
        live = given.step == "all"
        seen = LivePictures(model, found.squares) if live else SeenPictures.by(model, found.squares)
        typing = TypingConfig() if split == "train" else None
        streams.append(
            TalkStream(
                TalkMaker(
                    found.shown, cards, seed, batch=BATCH.get(given.step, 16), typing=typing, alone=ALONE
                ),
                seen, chat,
            )
        )  # fmt: skip
    training = TalkTraining(model, streams[0], streams[1], slake_pairs(given.data / SLAKE))
    out = given.out / given.step
    # Muon is for whole matrices, not for the halves of an adapter.
    hidden = [] if model.config.lora else hidden_matrices(model)
    loop = Loop(model, _loop(given.step), training.loss, out, scores=training.scores, say=_say, hidden=hidden)
    loop.run(minutes=given.minutes)
    kept = out / "vila-m3-smollm2"
    if model.config.lora and not kept.exists():
        loop.use_mean()
        save_vlm(kept, model.eval(), chat, card((), kept.name, "adapt"), task="vila-m3")


def _ship(given: argparse.Namespace) -> None:
    ended = [given.out / step / "last.pt" for step in ("words", "all", "more")]
    found = [path for path in ended if path.is_file()]
    if not found:
        # As an error of argparse has it.
        print(f"Nothing was trained yet: {given.out} holds none of words, all and more.", file=sys.stderr)
        raise SystemExit(2)
    # A step that was run again counts, not the one that once came after it.
    step = max(found, key=lambda path: path.stat().st_mtime).parent.name
    model, chat = _shipped_before(given) if step == "more" else begun(given.out / "copy" / "last.pt")
    # Where it was frozen, the encoder is not among what the mean is of.
    if step != "all":
        freeze_encoder(model)
    use_mean(torch.load(given.out / step / "last.pt", weights_only=True), model)
    model.encoder.requires_grad_(True)
    rounded(model)
    offer = Offer("vila-m3-small", card(()), lambda: VilaM3Answerer(VilaM3(model.eval(), chat, runtime())))
    scores = card_scores(list(brain_replies(offer, given.data, final=True, say=_say)))
    save_vlm(given.ship / "vila-m3-small", model.eval(), chat, card(scores), task="vila-m3")


def card(scores: tuple[Score, ...], name: str = "vila-m3-small", how: str = SHIPPED) -> Card:
    """What to know about a model."""
    films, slices, heads = FILMS["train"], SLICES["train"], HEADS["train"]
    return Card(
        name=name,
        summary="Calls specialists by their cards, and answers with what they find (VILA-M3).",
        licence="Apache-2.0",
        data=(
            f"specialists run over {heads} simulated heads, {slices} slices, {films} simulated films",
            "specialists run over 703 films of NIH ChestX-ray14 (attribution to the NIH Clinical Center)",
            "questions from this project's templates; its encoder: see medplib-small",
            "SLAKE 1.0, training questions and answers, English, words alone (CC BY 4.0)",
        ),
        recipe=f"recipes/vila_m3.py, seed {SEED}: {how}",
        scores=scores,
        limits=(
            "medical research software, not a medical device: never for diagnosis or treatment",
            "what it answers is as good as the specialist that it calls; see docs/results/vila_m3.md",
            "English; it looks at one slice or film at a time",
        ),
        accepts=Accepts(
            kinds=("t1", "t1c", "t2", "flair", "cxr", "ct"),
            most_volumes=8,
            most_sessions=1,
            pictures=True,
            either=True,
            regions=False,
        ),
    )


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
