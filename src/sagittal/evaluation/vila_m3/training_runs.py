"""One of the compared trainings: learn, then measure on other studies and other pairs.

``WORK/VARIANT-SEED/found.json``; a training that is there is not made again, one that was cut off goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from sagittal.builders.specialist_qa.maker import TalkMaker
from sagittal.builders.specialist_qa.shown import OfRegion
from sagittal.evaluation.mpllm.runs import digest
from sagittal.evaluation.runs import settle
from sagittal.evaluation.vila_m3.held_out import held_out
from sagittal.evaluation.vila_m3.retention import unread
from sagittal.evaluation.vila_m3.variants import (
    COUNTS,
    HELD,
    HELD_SEED,
    PAIRS,
    SET_SEED,
    TALKS,
    VARIANTS,
    Variant,
)
from sagittal.files import storage_errors, versions, write_json
from sagittal.io.nifti import read_image
from sagittal.models.vlm.chat import OwnChat
from sagittal.models.vlm.model import VLM
from sagittal.specialists.card import SpecialistCard
from sagittal.specialists.registry import specialists
from sagittal.splits import Split
from sagittal.train.decoder_texts import Pair, slake_pairs
from sagittal.train.loop import Loop
from sagittal.train.mpllm import freeze_encoder, hidden_matrices
from sagittal.train.shown_pictures import Pictures, pictures_of
from sagittal.train.talk_mixture import TEXT, MixtureTraining
from sagittal.train.talks import SeenPictures, TalkStream
from sagittal.train.vila_m3_start import begun, unlearnt

Say = Callable[[str], None]
#: Categories of conversations.
REGIONS = tuple(name for name in COUNTS if name != TEXT)


@dataclass(frozen=True, eq=False)
class Ground:
    """What all trainings stand on.

    Attributes:
        made: folder of ``recipes/vila_m3.py``: its bank, and what learnt to copy.
        pictures: split → of the bank.
        texts: split → batches of pairs.
        cards: that ship, by name.
        work: folder of the runs.
    """

    made: Path
    pictures: Mapping[Split, Pictures]
    texts: Mapping[Split, list[list[Pair]]]
    cards: Mapping[str, SpecialistCard]
    work: Path

    @classmethod
    def of(cls, made: Path, data: Path, work: Path, edge: int) -> Ground:
        """Read the bank and the texts.

        Args:
            made: see above.
            data: folder of the development data.
            work: folder of the runs.
            edge: of pictures.

        Raises:
            LayoutError, FileFormatError, StorageError: there is no bank or no texts, or they are damaged.
        """
        slake = data / "slake_json" / "Slake1.0"
        read = slake_pairs(slake / "train.json")
        texts: dict[Split, list[list[Pair]]] = {
            "train": _batches(read)[: COUNTS[TEXT]],
            "validation": _batches(unread(slake_pairs(slake / "validate.json"), read)),
        }
        # The CT whose slices training shows, too: pictures that the recipe kept are not made again.
        scan = read_image(data / "totalseg_refs" / "example_ct_sm.nii.gz", kind="ct")
        splits: tuple[Split, ...] = ("train", "validation")
        pictures = {
            split: pictures_of(made / "bank" / split, edge, made / f"pictures-{split}.npy", [scan])
            for split in splits
        }
        cards = {name: entry.card for name, entry in specialists().entries.items()}
        return cls(made, pictures, texts, cards, work)

    def maker(self, split: Split, region: str) -> TalkMaker:
        """Conversations about studies of one region, in training's wordings."""
        shown = self.pictures[split].shown
        seed = SET_SEED if split == "train" else HELD_SEED
        return TalkMaker(shown, self.cards, seed, TALKS, subject=OfRegion(shown, region=region))


def _batches(pairs: list[Pair]) -> list[list[Pair]]:
    """Whole ones."""
    return [pairs[first : first + PAIRS] for first in range(0, len(pairs) - PAIRS + 1, PAIRS)]


def run_variant(ground: Ground, name: str, seed: int, say: Say = lambda line: None) -> dict[str, Any]:
    """Train a variant, and measure it.

    Args:
        ground: what it stands on.
        name, seed: which.
        say: told of the training's lines.

    Returns:
        ``words``: category → loss of all words, in nats a token, of each held-out batch; ``right``: region →
        1 for each held-out question whose first reply is right; ``parameters`` of the language model but its
        embeddings; ``curve``: steps and the losses of all words that were learnt, means over 20 steps.

    Raises:
        IntegrityError: the folder holds another run.
        InputError: ``recipes/vila_m3.py copy`` was not run.
    """
    variant, folder = VARIANTS[name], ground.work / f"{name}-{seed}"
    torch.manual_seed(seed)
    model, chat = _start(ground, variant)
    what = {
        "schema": "sagittal.vila-m3-training/1", "variant": name, "seed": seed,
        "loop": asdict(variant.loop()), "mixture": asdict(variant.mixture(seed)),
        "begun": digest(model.state_dict()),
        "studies": sorted(case.name for case, _, _ in ground.pictures["train"].shown.cases),
        "versions": versions("torch", "transformers", "numpy"),
    }  # fmt: skip
    settle(folder / "manifest.json", what)
    path = folder / "found.json"
    if not path.exists():
        write_json(path, _trained(ground, variant, model, chat, seed, folder, say))
    with storage_errors(path):
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def _start(ground: Ground, variant: Variant) -> tuple[VLM, OwnChat]:
    model, chat = begun(ground.made / "copy" / "last.pt")
    if variant.language is not None:
        model = unlearnt(variant.config(chat.size))
    freeze_encoder(model)
    return model, chat


def _trained(
    ground: Ground, variant: Variant, model: VLM, chat: OwnChat, seed: int, folder: Path, say: Say
) -> dict[str, Any]:
    def training(split: Split) -> MixtureTraining:
        seen = SeenPictures.by(model, ground.pictures[split].squares)
        streams = {region: TalkStream(ground.maker(split, region), seen, chat) for region in REGIONS}
        return MixtureTraining(model, variant.mixture(seed), streams, ground.texts[split])

    loop = Loop(model, variant.loop(), training("train").loss, folder, say=say, hidden=hidden_matrices(model))
    loop.run()
    loop.use_mean()
    held, cases = training("validation"), {}
    model.eval()
    for region in REGIONS:
        asked = held_out(model, held.streams[region], ground.maker("validation", region), HELD, say)
        cases[region] = [int(one.right) for one in asked]
    words = {region: held.words(region, HELD) for region in REGIONS}
    words[TEXT] = held.words(TEXT, len(ground.texts["validation"]))
    embedding = model.language.get_input_embeddings().weight.numel()  # type: ignore[operator]
    curve = [json.loads(line) for line in loop.curve.path.read_text("utf-8").splitlines()]
    return {
        "words": words, "right": cases,
        "parameters": sum(p.numel() for p in model.language.parameters()) - embedding,
        "curve": [[row["step"], row["words"]] for row in curve],
    }  # fmt: skip
