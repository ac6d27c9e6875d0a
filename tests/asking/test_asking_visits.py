"""Which images are of one visit, in which order, and what is not guessed about."""

from __future__ import annotations

from datetime import date

import pytest
from asking_world import brats_case, dicom_series, write_volume

from sagittal.asking.finding import find_images
from sagittal.asking.visits import group_visits
from sagittal.errors import InputError


def visits(*paths, grouping="auto"):
    images, remarks = group_visits(find_images(paths)[0], grouping)
    return [(i.session, i.kind) for i in images], [i.acquired for i in images], remarks


def test_one_visit_has_no_name_and_kinds_go_in_order(tmp_path):
    case = brats_case(tmp_path, endings=("t2f", "t1c", "t1n", "t2w"))
    sessions, dates, remarks = visits(case)
    assert sessions == [("", "t1"), ("", "t1c"), ("", "t2"), ("", "flair")]
    assert dates == [None] * 4 and remarks == []


def test_two_brats_cases_are_two_visits_in_the_order_of_their_numbers(tmp_path):
    later, earlier = brats_case(tmp_path, "001"), brats_case(tmp_path, "000")
    sessions, _, remarks = visits(later, earlier)
    assert sorted(sessions) == [("000", "flair"), ("000", "t1"), ("001", "flair"), ("001", "t1")]
    assert remarks == []


@pytest.mark.parametrize("place", ["{}/t1.nii.gz", "{}/anat/t1.nii.gz", "all/p_{}_t1.nii.gz"])
def test_dates_in_names_are_visits(tmp_path, place):
    for day in ("2021-03-04", "20191224"):
        write_volume(tmp_path / place.format(day))
    sessions, dates, remarks = visits(tmp_path)
    assert sorted(zip(dates, sessions, strict=True)) == [
        (date(2019, 12, 24), ("2019-12-24", "t1")),
        (date(2021, 3, 4), ("2021-03-04", "t1")),
    ]
    assert remarks == []


def test_bids_sessions_go_by_their_numbers_and_say_that_they_have_no_dates(tmp_path):
    for number in (2, 10):
        write_volume(tmp_path / f"sub-1/ses-{number}/anat/sub-1_ses-{number}_T1w.nii.gz")
        write_volume(tmp_path / f"sub-1/ses-{number}/anat/sub-1_ses-{number}_FLAIR.nii.gz")
    sessions, _, remarks = visits(tmp_path)
    assert sorted(sessions) == [("02", "flair"), ("02", "t1"), ("10", "flair"), ("10", "t1")]
    assert remarks == []
    for name in ("pre", "post"):
        write_volume(tmp_path / f"other/ses-{name}/t1.nii.gz")
    sessions, _, [remark] = visits(tmp_path / "other")
    assert {s for s, _ in sessions} == {"pre", "post"} and "order of their names: post, pre" in remark


def test_folders_are_visits_only_when_the_user_says_so(tmp_path):
    for folder in ("a", "b"):
        write_volume(tmp_path / folder / "t1.nii.gz")
    with pytest.raises(InputError, match="one visit or of several") as error:
        visits(tmp_path)
    assert "--session folder" in str(error.value)
    assert sorted(visits(tmp_path, grouping="folder")[0]) == [("a", "t1"), ("b", "t1")]
    assert visits(tmp_path, grouping="one")[0] == [("", "t1"), ("", "t1")]
    # Different sequences in different folders are one visit, as exports have them.
    write_volume(tmp_path / "c" / "T1" / "t1.nii.gz")
    write_volume(tmp_path / "c" / "FLAIR" / "flair.nii.gz")
    assert visits(tmp_path / "c")[0] == [("", "t1"), ("", "flair")]


def test_impossible_dates_are_none(tmp_path):
    write_volume(tmp_path / "x20210231_t1.nii.gz")
    write_volume(tmp_path / "x202103041_flair.nii.gz")
    assert visits(tmp_path)[:2] == ([("", "t1"), ("", "flair")], [None, None])


def test_dicom_studies_are_named_by_their_dates(tmp_path):
    dicom_series(tmp_path / "new")
    dicom_series(tmp_path / "old", StudyInstanceUID="1.9", SeriesInstanceUID="1.8", StudyDate="20200101")
    sessions, dates, remarks = visits(tmp_path)
    assert sorted(sessions) == [("2020-01-01", "t1"), ("2021-03-04", "t1")] and remarks == []
    assert sorted(dates) == [date(2020, 1, 1), date(2021, 3, 4)]
    dicom_series(tmp_path / "same", StudyInstanceUID="1.11", SeriesInstanceUID="1.12", StudyDate="20200101")
    sessions, _, _ = visits(tmp_path)
    assert sorted(s for s, _ in sessions) == ["study 1", "study 2", "study 3"]


def test_a_visit_over_midnight_has_one_date(tmp_path):
    dicom_series(tmp_path / "a")
    dicom_series(tmp_path / "b", SeriesInstanceUID="1.8", StudyDate="20210305", SeriesDescription="FLAIR")
    sessions, dates, _ = visits(tmp_path)
    assert sessions == [("", "t1"), ("", "flair")] and dates == [date(2021, 3, 4)] * 2
