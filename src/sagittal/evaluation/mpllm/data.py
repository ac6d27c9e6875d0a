"""The frozen test world of tumours as banks, checked against what was frozen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sagittal.evaluation.frozen_world import TUMOURS, Place, check_study, places, world_heads, world_table
from sagittal.models.vlm.presets import ENCODER_SIZE
from sagittal.simulate import HeadSet, SimulatedStudy
from sagittal.train.tumour_bank import BankPlan, make_bank


def make_test_banks(
    heads: str | Path, out: str | Path, *, part: tuple[int, int] = (0, 1),
    progress: Callable[[str, int, int], None] = lambda name, done, of: None,
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
    table = world_table(TUMOURS)
    own = world_heads(heads, table)
    for name in table["worlds"]:
        studies = [place for place in places(table) if place.world == name]
        _make(studies, own, Path(out) / name, part, progress)


def _make(
    studies: list[Place], heads: HeadSet, folder: Path, part: tuple[int, int],
    progress: Callable[[str, int, int], None],
) -> None:  # fmt: skip
    first, table = studies[0], world_table(TUMOURS)

    def check(index: int, made: SimulatedStudy) -> None:
        check_study(studies[index], made, table)

    plan = BankPlan(first.config, heads, first.seed, len(studies), ENCODER_SIZE, check)
    make_bank(folder, plan, part=part, progress=lambda done, of: progress(first.world, done, of))
