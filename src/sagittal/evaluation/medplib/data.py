"""The frozen world's slices as banks, checked against what was frozen."""

from __future__ import annotations

from pathlib import Path

from sagittal.evaluation.frozen_world import PICTURES, Place, check_study, places, world_heads, world_table
from sagittal.simulate import SimulatedStudy
from sagittal.train.picture_bank import MarkedPicture, read_bank
from sagittal.train.picture_world import PicturePlan, make_picture_bank
from sagittal.train.picture_worlds import Progress


def make_test_pictures(
    heads: str | Path, out: str | Path, *, part: tuple[int, int] = (0, 1),
    progress: Progress = lambda name, done, of: None,
) -> None:  # fmt: skip
    """Make the banks of the frozen world, each in a folder of its world's name; what is there is kept.

    Args:
        heads: folder of the label maps.
        out: folder that receives the banks.
        part: which of how many processes this is.
        progress: told of each block of a world.

    Raises:
        IntegrityError: a study is not what was frozen.
        LayoutError: the folder lacks heads of the test world.
    """
    table = world_table(PICTURES)
    own = world_heads(heads, table)
    for name in table["worlds"]:
        studies = [place for place in places(table) if place.world == name]

        def check(index: int, made: SimulatedStudy, studies: list[Place] = studies) -> None:
            check_study(studies[index], made, table)

        def report(done: int, of: int, name: str = name) -> None:
            progress(name, done, of)

        plan = PicturePlan(studies[0].config, own, studies[0].seed, len(studies), check)
        make_picture_bank(Path(out) / name, plan, part=part, progress=report)


def test_pictures(folder: Path) -> list[MarkedPicture]:
    """The frozen world's slices, in the table's order of worlds."""
    return read_bank([folder / name for name in world_table(PICTURES)["worlds"]])
