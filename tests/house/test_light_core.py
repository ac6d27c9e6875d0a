"""The light core stays light: no torch, and no heavy import before it is needed."""

from __future__ import annotations

import subprocess
import sys

HEAVY = (
    "torch",
    "nibabel",
    "scipy",
    "skimage",
    "pyarrow",
    "matplotlib",
    "pydicom",
    "SimpleITK",
    "ray",
    "pydantic",
)


def imported_by(code: str) -> set[str]:
    script = f"{code}\nimport sys\nprint('MODULES', *sorted(m for m in sys.modules if '.' not in m))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.rsplit("MODULES", 1)[1].split())


def test_help_imports_nothing_heavy():
    code = "from sagittal.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass"
    assert not imported_by(code) & set(HEAVY)


def test_import_sagittal_is_free():
    assert not imported_by("import sagittal") & {*HEAVY, "numpy", "typer"}


def test_the_probe_sees_what_is_imported():
    assert "nibabel" in imported_by("import nibabel")


def test_describing_and_building_never_import_torch(tmp_path):
    code = (
        (
            "import numpy as np\n"
            "from sagittal.geometry import Geometry\n"
            "from sagittal.study import Mask\n"
            "from sagittal.io.nifti import write_mask\n"
            "data = np.zeros((9, 9, 9), np.uint8); data[2:6, 2:7, 3:6] = 1\n"
            f"path = {str(tmp_path / 'm.nii.gz')!r}\n"
            "write_mask(path, Mask(data, Geometry((9, 9, 9), np.eye(4)), {1: 'ET'}))\n"
            "from sagittal.cli import main\n"
            "main(['describe', path, '--json'])\n"
            "import sagittal.builders.tumour_set, sagittal.builders.check, sagittal.builders.statistics\n"
            "import sagittal.builders.vqa_sets.unpacking, sagittal.score.answers\n"
            "import sagittal.builders.pixel_qa, sagittal.builders.pixel_qa.statistics\n"
            "import sagittal.language, sagittal.draw.montage"
        )
        .replace("main(['describe'", "\ntry: main(['describe'")
        .replace("'--json'])\n", "'--json'])\nexcept SystemExit: pass\n")
    )
    assert not imported_by(code) & {"torch", "transformers"}
