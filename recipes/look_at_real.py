"""Look at what a vision network draws on real scans: a table of Dice by structure, and overlays.

Run: python recipes/look_at_real.py EYES --data ../shared/data --out FOLDER
``EYES`` is a file that ``recipes/voxelprompt_vision.py --export`` wrote. Validation cases, unless
``--cases final``.
"""

from __future__ import annotations

import argparse
import re
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from sagittal.draw.montage import draw_montage
from sagittal.errors import SagittalWarning
from sagittal.models.voxelprompt.eyes_storage import open_eyes
from sagittal.runtime import runtime
from sagittal.score.reals import ANATOMY, TUMOUR_PARTS, real_cases
from sagittal.score.segmentation import Scored, case_means, score_cases, table_lines
from sagittal.study import Mask


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="the eyes' file")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cases", choices=("validation", "final"), default="validation")
    parser.add_argument("--only", default="", help="a regular expression that a case's name holds")
    parser.add_argument("--sides", action="store_true", help="left and right alone, too")
    parser.add_argument("--surfaces", action="store_true", help="surface Dice and HD95, too")
    parser.add_argument("--out", type=Path, default=None, help="folder for overlays (PNG)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", SagittalWarning)
    how = runtime(arguments.device, threads=arguments.threads)
    eyes = open_eyes(arguments.model, how)
    plain = [*ANATOMY, *TUMOUR_PARTS, "white matter hyperintensities"]
    sided = [f"{side} {name}" for name in ANATOMY for side in ("left", "right")]
    cases = (
        case
        for case in real_cases(arguments.data, final=arguments.cases == "final")
        if re.search(arguments.only, case.name)
    )
    records = []
    wanted = [*plain, *sided] if arguments.sides else plain
    for scored in score_cases(eyes, cases, structures=wanted, surfaces=arguments.surfaces):
        records += scored.records
        mean = case_means(scored.records)[scored.case.name]
        print(f"{scored.case.name}: mean Dice {mean:.3f}, {scored.seconds:.1f} s", flush=True)
        if arguments.out is not None:
            draw(scored, arguments.out)
    groups = [ANATOMY, tuple(TUMOUR_PARTS), ("white matter hyperintensities",), tuple(sided)]
    for figure in ("dice", *(("surface_dice", "hd95_mm") if arguments.surfaces else ())):
        for group in groups:
            lines = table_lines([r for r in records if r.structure in group], figure)
            if len(lines) > 3:
                print("\n" + figure + "\n" + "\n".join(lines))


def draw(scored: Scored, out: Path) -> None:
    """Truth and what was drawn, one picture each; later structures lie over earlier ones."""
    first = scored.case.images[0]
    names = [n for n in scored.masks if not n.startswith(("left ", "right "))]
    for title, masks in (("drawn", scored.masks), ("truth", scored.case.truth)):
        data = np.zeros(first.shape, np.uint8)
        for value, name in enumerate(names, start=1):
            data[masks[name].data != 0] = value
        mask = Mask(data, first.geometry, dict(enumerate(names, start=1)), title)
        shown = [i for i in scored.case.images if i.geometry.same_grid(first.geometry)]
        shown = [replace(i, data=np.asarray(i.data, np.float32)) for i in shown]
        name = scored.case.name.replace(" ", "_")
        draw_montage(shown[:2], mask, out / f"{name}_{title}.png", title=f"{scored.case.name}: {title}")


if __name__ == "__main__":
    main()
