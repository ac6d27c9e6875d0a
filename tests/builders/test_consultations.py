"""A bank of consultations: what the loop tells of real calls, kept, gone on with, read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sagittal.builders.consultation_bank import CASE, FIRST, Origin, read_bank, read_picture
from sagittal.builders.consultations import consult, write_case
from sagittal.errors import FileFormatError, LayoutError
from sagittal.geometry import Geometry
from sagittal.specialists.card import SpecialistCard
from sagittal.specialists.pool import Call
from sagittal.specialists.process import Program
from sagittal.specialists.protocol import SpecialistError, checked, narrowed
from sagittal.specialists.triggers import Trigger
from sagittal.study import Image, Mask, Study

ORIGIN = Origin("p1", "train", "simulated", "Apache-2.0")


def a_program(name, **changes):
    card = {
        "schema": "sagittal.specialist/1", "name": name, "summary": "does something", "images": [["t1"]],
        "looks_at": "volume", "arguments": {"tumour": "t"}, "masks": {"tumour": ["tumour"]}, "licence": "MIT",
        "source": "a test", "cost": {"seconds": 1, "memory_mb": 1}, **changes,
    }  # fmt: skip
    here = Path(__file__)
    return Program(SpecialistCard.model_validate(card), here, here.parent, "none:none")


PROGRAMS = {
    "Tumours": a_program("Tumours"),
    "Broken": a_program("Broken"),
    "Findings": a_program("Findings", masks={}, arguments={"all": "all"}, classes={"cyst": 0.5}),
}
CALLS = [Trigger("Tumours", "tumour"), Trigger("Broken", "tumour"), Trigger("Findings", "all")]


class Pool:
    """Specialists in this process, with the checks of the real pool."""

    def __init__(self):
        self.count = 0

    def run(self, program, study, argument):
        self.count += 1
        study = narrowed(program.card, study, argument)
        if program.card.name == "Broken":
            raise SpecialistError("hung", "Broken", "Broken took 60 s.")
        image = study.images[0]
        data = np.zeros(image.shape, np.uint8)
        data[2:6, 2:6, 2:6] = 1
        given = {"cyst": 0.75} if program.card.classes else Mask(data, image.geometry, {1: "tumour"})
        return Call(checked(program.card, study, argument, given), 0.1, 1, False)


@pytest.fixture
def study():
    data = np.zeros((20, 24, 18), np.float32)
    data[1:18, 1:22, 1:16] = 7
    image = Image(data, Geometry(data.shape, np.diag([1.0, 1.0, 1.0, 1.0])), "t1", "a.nii.gz")
    return Study("a study / 1", "p1", (image,))


def test_what_is_told_is_kept_and_read_back(study, tmp_path):
    pool = Pool()
    assert write_case(tmp_path, study, ORIGIN, CALLS, PROGRAMS, pool)
    [(folder, case)] = read_bank(tmp_path)
    assert (case.name, case.patient, case.kinds, case.looks_at) == ("a study / 1", "p1", ("t1",), "volume")
    tumour, broken, findings = case.calls
    told, gave = consult(study, CALLS[0], PROGRAMS, pool)
    assert gave and tumour.text == told.text and tumour.numbers == told.numbers == ("0.064",)
    assert [(r.label, r.facts) for r in tumour.regions] == [("tumour", ("0.064 mL", "left"))]
    np.testing.assert_array_equal(read_picture(folder / tumour.picture), told.picture)
    assert broken.failed and broken.text == "Broken: no result, it took too long." and not broken.picture
    assert findings.classes == {"cyst": (0.75, True)} and findings.text == "Findings(all):\ncyst: yes"
    assert read_picture(folder / FIRST).shape == (24, 20, 3)


def test_a_study_that_is_there_is_not_run_again(study, tmp_path):
    pool = Pool()
    write_case(tmp_path, study, ORIGIN, CALLS, PROGRAMS, pool)
    count = pool.count
    assert not write_case(tmp_path, study, ORIGIN, CALLS, PROGRAMS, pool) and pool.count == count


def test_a_study_that_was_cut_off_leaves_nothing(study, tmp_path):
    class Cut(Pool):
        def run(self, program, study, argument):
            if self.count == 1:
                raise KeyboardInterrupt
            return super().run(program, study, argument)

    with pytest.raises(KeyboardInterrupt):
        write_case(tmp_path, study, ORIGIN, CALLS, PROGRAMS, Cut())
    with pytest.raises(LayoutError):
        read_bank(tmp_path)


def test_a_damaged_case_is_told(study, tmp_path):
    write_case(tmp_path, study, ORIGIN, CALLS[:1], PROGRAMS, Pool())
    path = next(tmp_path.glob(f"*/{CASE}"))
    whole = path.read_bytes()
    for damaged in (whole.replace(b'"patient"', b'"nobody"'), whole[:-9], b"\xff" + whole):
        path.write_bytes(damaged)
        with pytest.raises(FileFormatError, match="damaged"):
            read_bank(tmp_path)
