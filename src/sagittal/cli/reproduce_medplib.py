"""``sagittal reproduce medplib`` compares configurations; ``medplib-small`` measures the model that ships."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sagittal.cli.console import errors
from sagittal.cli.evaluate import HEADS

if TYPE_CHECKING:
    from sagittal.evaluation.medplib.compare import Marks


def comparison_page(model: str, data: Path, work: Path) -> list[str]:
    """The tables that compare; about two hours on one core where the runs are not there yet.

    Args:
        model: a model before its first stage (``recipes/medplib.py before``): gives the frozen encoders, and
            the mask decoder that all begin with.
        data: folder that holds the real pictures and the heads.
        work: folder of the runs; ``medplib`` in it holds theirs, ``medplib/data`` beside it the slices.
    """
    import torch

    from sagittal.evaluation.medplib.compare import Comparison, stage_marks, variant_asked, variant_marks
    from sagittal.evaluation.medplib.data import make_test_pictures, test_pictures
    from sagittal.evaluation.medplib.routing import over_capacity, over_capacity_lines
    from sagittal.evaluation.medplib.tables import comparison_lines
    from sagittal.evaluation.medplib.unet import unet_marks
    from sagittal.evaluation.medplib.variants import SEEDS, VARIANTS
    from sagittal.models.medplib.words import Speech
    from sagittal.models.vlm.chat import OwnChat
    from sagittal.models.vlm.decoder import load_decoder
    from sagittal.models.vlm.storage import load_vlm
    from sagittal.runtime import keep_memory
    from sagittal.train.medplib_set import learning_set, validation_set
    from sagittal.train.medplib_stage import Ground
    from sagittal.train.picture_worlds import make_pictures
    from sagittal.weights import find_checkpoint

    # As the recipe trains.
    torch.set_flush_denormal(True)
    keep_memory()
    banks = work.parent / "medplib" / "data"
    make_pictures("train", data / HEADS, banks / "training", progress=_say_slices)
    make_pictures("validation", data / HEADS, banks / "validation", progress=_say_slices)
    make_test_pictures(data / HEADS, banks / "test", progress=_say_slices)
    decoder, tokenizer = load_decoder(find_checkpoint("decoder-small"))
    before, _, _ = load_vlm(find_checkpoint(model), task="medplib")
    ground = Ground(
        learning_set(banks, data),
        validation_set(banks, data),
        Speech.of(OwnChat(tokenizer)),
        work / "medplib" / "features",
    )
    test = tuple(test_pictures(banks / "test"))
    on = Comparison(ground, before, dict(decoder.state_dict()), test, work / "medplib")
    runs: dict[str, list[Marks]] = {}
    for seed in SEEDS:
        made: dict[str, Callable[[], Marks]] = {
            "recognition": partial(stage_marks, on, "recognition", seed, _say),
            "coordinates": partial(stage_marks, on, "recognition", seed, _say, coordinates=True),
            "grounding": partial(stage_marks, on, "grounding", seed, _say),
            "unet": partial(unet_marks, on, seed, _say),
            **{name: partial(variant_marks, on, name, seed, _say) for name in VARIANTS},
        }
        for name, run in made.items():
            _say(f"{name}, seed {seed}")
            runs.setdefault(name, []).append(run())
    dropped = {
        one.words: [over_capacity(variant_asked(on, name, seed)) for seed in SEEDS]
        for name, one in VARIANTS.items()
        if one.experts is not None
    }
    return [*comparison_lines(runs, len(test)), *over_capacity_lines(dropped, SEEDS)]


def small_page(model: str, data: Path, work: Path, out: Path) -> list[str]:
    """Regions, masks and questions, on the frozen world and on the real pictures that are at hand.

    Args:
        model: the shipped model.
        data: folder that holds the real pictures and the heads.
        work: folder of the runs; ``medplib/data`` beside it holds the simulated slices.
        out: folder of the page; its pictures go into ``medplib_small`` there.
    """
    from sagittal.evaluation.medplib.data import make_test_pictures, test_pictures
    from sagittal.evaluation.medplib.gallery import draw_gallery
    from sagittal.evaluation.medplib.real import real_sets
    from sagittal.evaluation.medplib.routing import routing_lines
    from sagittal.evaluation.medplib.shipped import Asked, frozen_lines, real_lines, vqa_rad_lines
    from sagittal.models.medplib.words import Speech
    from sagittal.models.vlm.storage import load_vlm
    from sagittal.weights import find_checkpoint

    banks, features = work.parent / "medplib" / "data" / "test", work / "medplib" / "features"
    make_test_pictures(data / HEADS, banks, progress=_say_slices)
    made, chat, _ = load_vlm(find_checkpoint(model), task="medplib")
    speech = Speech.of(chat)
    asked = Asked.of(made, speech, test_pictures(banks), features)
    lines = frozen_lines(asked, model)
    _say("frozen world: done")
    lines += ["## Where tokens go", "", *routing_lines(asked, out / "medplib_small")]
    lines += [
        "## Real pictures", "",
        "| set | pictures | regions right | mean Dice | by class |", "| --- " * 5 + "|",
    ]  # fmt: skip
    for real in real_sets(data):
        own = Asked.of(made, speech, real.pictures, features)
        lines += real_lines(own, real)
        # Real pictures are not given away: these stay on this machine.
        draw_gallery(own, work / "medplib" / "looked" / f"{_file(real.name)}.png")
        _say(f"{real.name}: done")
    draw_gallery(asked, out / "medplib_small" / "frozen.png")
    lines += ["", *_gallery_words(), "## VQA-RAD", ""]
    if (data / "vqa_rad").is_dir():
        lines += vqa_rad_lines(made, speech, data, features)
    return lines


def _gallery_words() -> list[str]:
    return [
        "Masks as drawn (red) and as marked (green outlines), some of the frozen world: "
        "![Frozen world](medplib_small/frozen.png) Those of the real sets are written to the folder of runs.",
        "",
    ]


def _file(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name.lower())


def _say_slices(name: str, done: int, of: int) -> None:
    _say(f"slices of {name}: {done} of {of}")


def _say(line: str) -> None:
    errors().print(line, markup=False)
