"""The tokenizer and the small decoder that all small vision-language models share.

    python recipes/decoder.py --data runs/mpllm/data --slake SLAKE/train.json --out runs/decoder --ship FOLDER

``--ship FOLDER`` writes the checkpoint when the last step is done. The decoder reads questions and answers
without any image; about 25 minutes on one core.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from sagittal.files import write_text
from sagittal.language.tokenizer import CHAT_TOKENS, Tokenizer
from sagittal.language.tumour_wordings import TumourWordings
from sagittal.models.checkpoint import Accepts, Card, Score
from sagittal.models.vlm.chat import OwnChat
from sagittal.models.vlm.decoder import save_decoder
from sagittal.models.vlm.language import make_language
from sagittal.models.vlm.presets import VOCABULARY, small_language
from sagittal.runtime import keep_memory
from sagittal.train.decoder_texts import DecoderTexts, DecoderTraining, slake_pairs
from sagittal.train.loop import Loop, LoopConfig
from sagittal.train.tumour_bank import TumourBank
from sagittal.train.tumour_stream import Asker

SEED = 20261
LOOP = LoopConfig(
    steps=1_000, rate=1.5e-3, hidden_rate=5e-3, warm_up=60, decay=0.02, mean_over=200, save_every=100,
    score_every=250,
)  # fmt: skip
WORLDS = ("gli", "met", "pre")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("runs/mpllm/data"))
    parser.add_argument("--slake", type=Path, help="SLAKE's train.json")
    parser.add_argument("--out", type=Path, default=Path("runs/decoder"))
    parser.add_argument("--ship", type=Path, help="folder that receives the checkpoint")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=SEED)
    given = parser.parse_args()
    torch.manual_seed(given.seed)
    torch.set_flush_denormal(True)
    keep_memory()
    wordings = TumourWordings.load()
    slake = slake_pairs(given.slake) if given.slake else []
    texts = DecoderTexts(_bank(given, "training"), Asker(wordings), slake, given.seed)
    held = DecoderTexts(_bank(given, "validation"), Asker(wordings, "withheld"), [], given.seed + 1)
    path = given.out / "tokenizer.json"
    if not path.exists():
        made = Tokenizer.train(texts.texts(200, 100), VOCABULARY, CHAT_TOKENS)
        write_text(path, made.to_json())
    tokenizer = Tokenizer.from_json(path.read_text(encoding="utf-8"), CHAT_TOKENS)
    decoder = make_language(small_language(tokenizer.size)).train()
    training = DecoderTraining(decoder, OwnChat(tokenizer), texts, held, batch=24)
    hidden = [p for p in decoder.model.layers.parameters() if p.ndim == 2]
    loop = Loop(
        decoder, LOOP, training.loss, given.out, scores=training.scores,
        say=lambda line: print(line, flush=True), hidden=hidden,
    )  # fmt: skip
    done = loop.run(minutes=given.minutes)
    if given.ship and done.step == LOOP.steps:
        loop.use_mean()
        save_decoder(given.ship, decoder, tokenizer, card(-done.best))


def card(loss: float) -> Card:
    """What to know about the decoder."""
    return Card(
        name="decoder-small",
        summary="The language model that small vision-language models begin with; it has seen no image.",
        licence="Apache-2.0",
        data=(
            "questions and answers about tumours from this project's grammar",
            "SLAKE 1.0, training questions and answers, English (CC BY 4.0)",
        ),
        recipe=f"recipes/decoder.py, seed {SEED}",
        scores=(
            Score(data="simulated: wordings that training never saw", metric="nats a token", value=loss),
        ),
        limits=("says nothing true about any patient: it is a beginning for training",),
        accepts=Accepts(kinds=(), most_volumes=1),
    )


def _bank(given: argparse.Namespace, split: str) -> TumourBank:
    return TumourBank([given.data / split / name for name in WORLDS])


if __name__ == "__main__":
    main()
