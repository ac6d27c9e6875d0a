"""``sagittal reproduce chest-specialists`` measures the two networks of chest films that ship."""

from __future__ import annotations

from pathlib import Path

from sagittal.cli.console import errors


def chest_page(model: str, data: Path, work: Path, out: Path) -> list[str]:
    """The tables; about ten minutes on one core where the test films are not there yet.

    Args:
        model: the segmenter; the network of findings is the one that ships.
        data: folder that holds the real films.
        work: folder of the runs; ``chest`` beside it holds the recipe's.
        out: folder of the page; its picture goes into ``chest_specialists`` there.
    """
    import torch

    from sagittal.evaluation.chest.gallery import draw_gallery
    from sagittal.evaluation.chest.page import finding_lines, organ_lines, words_of_organs
    from sagittal.files import sha256_file
    from sagittal.models.checkpoint import WEIGHTS
    from sagittal.models.chest.findings import open_chest_findings
    from sagittal.models.chest.segmenter import ChestSegmenter, open_chest_segmenter
    from sagittal.nn.flat_unet import FlatUNet
    from sagittal.train.chest_bank import FilmBank, make_chest_banks
    from sagittal.train.loop import use_mean
    from sagittal.weights import find_checkpoint

    runs = work.parent / "chest"
    bank = FilmBank.read(make_chest_banks("test", runs / "bank", progress=_say_films))
    folders = [find_checkpoint(model), find_checkpoint("chest-findings")]
    segmenter = open_chest_segmenter(folders[0])
    own = {"shipped": segmenter}
    steps = ["the segmenter that ships"]
    alone = runs / "segmenter-simulated" / "last.pt"
    if alone.is_file():
        network = FlatUNet(segmenter.config.network)
        use_mean(torch.load(alone, weights_only=True), network)
        own["simulation alone"] = ChestSegmenter(network.eval(), segmenter.config)
        steps.append("the same, trained for as many steps on simulated films alone")
    hashes = [sha256_file(folder / WEIGHTS)[:16] for folder in folders]
    lines = [
        f"Weights' SHA-256: segmenter {hashes[0]}…, findings {hashes[1]}…. Recipe: `recipes/chest.py`.", "",
        "## Organs", "", *words_of_organs(bank, steps), *organ_lines(own, data, bank),
    ]  # fmt: skip
    _say("organs: done")
    draw_gallery(segmenter, bank, out / "chest_specialists" / "simulated.png")
    lines += [
        "Simulated test films with the organs as drawn: ![Simulated films](chest_specialists/simulated.png)",
        "",
        "## Findings",
        "",
        "AUROC with its 95 % interval over resampled patients (500 draws). Operating points are Youden's on "
        "validation films of the same kind; of real films, where at least eight have the finding. Labels of "
        "the NIH's films were mined from reports; nearly every film with a finding is one with pneumonia, "
        "as the set at hand was chosen, so that findings are hardly told from each other there.",
        "",
        *finding_lines(open_chest_findings(folders[1]), data, bank),
    ]
    return lines


def _say_films(done: int, of: int) -> None:
    _say(f"films: {done} of {of}")


def _say(line: str) -> None:
    errors().print(line, markup=False)
