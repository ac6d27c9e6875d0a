"""``sagittal reproduce medplib-small``: what the shipped MedPLIB does."""

from __future__ import annotations

from pathlib import Path

from sagittal.cli.console import errors
from sagittal.cli.evaluate import HEADS


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
    from sagittal.models.vlm.chat import OwnChat
    from sagittal.models.vlm.storage import load_vlm
    from sagittal.weights import find_checkpoint

    banks, features = work.parent / "medplib" / "data" / "test", work / "medplib" / "features"
    make_test_pictures(
        data / HEADS, banks, progress=lambda name, n, of: _say(f"slices of {name}: {n} of {of}")
    )
    made, chat, _ = load_vlm(find_checkpoint(model), task="medplib")
    assert isinstance(chat, OwnChat), "a small model has a tokenizer of ours"
    asked = Asked.of(made, chat.tokenizer, test_pictures(banks), features)
    lines = frozen_lines(asked, model)
    _say("frozen world: done")
    lines += ["## Where tokens go", "", *routing_lines(asked, out / "medplib_small")]
    lines += [
        "## Real pictures", "",
        "| set | pictures | regions right | mean Dice | by class |", "| --- " * 5 + "|",
    ]  # fmt: skip
    for real in real_sets(data):
        own = Asked.of(made, chat.tokenizer, real.pictures, features)
        lines += real_lines(own, real)
        draw_gallery(own, out / "medplib_small" / f"{_file(real.name)}.png")
        _say(f"{real.name}: done")
    draw_gallery(asked, out / "medplib_small" / "frozen.png")
    lines += ["", *_gallery_words(), "## VQA-RAD", ""]
    if (data / "vqa_rad").is_dir():
        lines += vqa_rad_lines(made, chat.tokenizer, data, features)
    return lines


def _gallery_words() -> list[str]:
    return [
        "Masks as drawn (red) and as marked (green outlines), first questions of each set: "
        "[frozen world](medplib_small/frozen.png); the real sets' lie beside it.",
        "",
    ]


def _file(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name.lower())


def _say(line: str) -> None:
    errors().print(line, markup=False)
