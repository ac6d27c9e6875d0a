"""Label tables: presets, the forms users bring, and the faults they hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from sagittal.errors import InputError, LabelError, StorageError
from sagittal.io.labels import PRESETS, Label, LabelTable, load_labels


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_loads_and_round_trips(preset: str, tmp_path: Path) -> None:
    table = load_labels(preset)
    assert table.name == preset and table.source and len(table.labels) >= 1
    assert LabelTable.from_json(json.loads(json.dumps(table.to_json()))) == table
    for suffix, dump in ((".json", json.dumps), (".yaml", yaml.safe_dump)):
        path = tmp_path / f"table{suffix}"
        path.write_text(dump(table.to_json()))
        again = load_labels(path)
        assert (again.labels, again.groups, again.source) == (table.labels, table.groups, table.source)


def test_brats_values_as_published() -> None:
    assert load_labels("brats2015").names == {1: "NCR", 2: "ED", 3: "NET", 4: "ET"}
    assert load_labels("brats2018").names == {1: "NCR_NET", 2: "ED", 4: "ET"}
    assert load_labels("brats2023").names == {1: "NETC", 2: "SNFH", 3: "ET"}
    assert load_labels("gli").names == {1: "NETC", 2: "SNFH", 3: "ET", 4: "RC"}
    assert load_labels("gli").long("SNFH") == "Surrounding Non-enhancing FLAIR hyperintensity"
    assert load_labels("brats2018").members("TC") == ("NCR_NET", "ET")


@pytest.mark.parametrize("preset", ["freesurfer", "dk"])
def test_left_and_right_come_in_pairs(preset: str) -> None:
    table = load_labels(preset)
    by_name = {label.name: label for label in table.labels}
    left = [n for n in by_name if n.startswith(("Left-", "ctx-lh-"))]
    assert len(left) > 15
    for name in left:
        other = name.replace("Left-", "Right-").replace("ctx-lh-", "ctx-rh-")
        assert by_name[other].long == by_name[name].long.replace("left", "right", 1)
        if name.startswith("ctx-"):
            assert by_name[other].value == by_name[name].value + 1000


def test_unknown_names_are_refused() -> None:
    table = load_labels("gli")
    with pytest.raises(LabelError, match="no such label"):
        table.long("RX")
    with pytest.raises(LabelError, match="group"):
        table.members("XX")
    with pytest.raises(LabelError, match="brats2018"):
        load_labels("brats1999")


FORMS = {
    "plain.yaml": "0: background\n1: core\n2: edema\n",
    "full.yml": "labels:\n  1: {name: core}\n  2: {name: edema}\n",
    "plain.json": '{\t"1": "core",\n\t"2": "edema"}',
    "headed.csv": "value,name,long\n1,core,core\n2,edema,edema\n",
    "bare.csv": "1,core\n\n2,edema\n",
    "sri24.txt": '0\t"background"\t0\t0\t0\t0\n1\t"core"\t255\t0\t0\t255\n2\t"edema"\t0\t0\t0\t255\n',
    "itk.txt": '# ITK\n 0  0 0 0  0 0 0  "Clear"\n 1 255 0 0 1 1 1 "core"\n 2 0 255 0 0.5 1 1 "edema"\n',
    "lut.txt": "#No. Label Name: R G B A\n0 Unknown 0 0 0 0\n1 core 1 2 3 0\n2 edema 1 2 3 0\n",
    "bom.csv": "\ufeff1,core\n2,edema\n",
}


@pytest.mark.parametrize("name", FORMS)
def test_forms_that_users_bring(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(FORMS[name], encoding="utf-8")
    table = load_labels(tmp_path / name)
    assert table.labels == (Label(1, "core", "core"), Label(2, "edema", "edema"))


FAULTS = {
    "twice.yaml": ("1: a\n2: b\n1: c\n", "line 3"),
    "name.yaml": ("1: a\n2: a\n", "line 2"),
    "float.yaml": ("1: a\n2.5: b\n", "line 2"),
    "negative.csv": ("1,a\n-2,b\n", "line 2"),
    "word.csv": ("1,a\nb,b\n", "line 2"),
    "cells.csv": ("1,a\n2,b,c,d\n", "line 2"),
    "quote.csv": ('1,a\n2,"b\n', "not valid CSV"),
    "spaces.txt": ("1 a 0 0 0 0\n2 left cortex 0 0 0 0\n", "line 2"),
    "bare.txt": ("1 a 0 0 0 0\n2 0 0 0\n", "line 2"),
    "huge.csv": ("1,a\n99999999999,b\n", "line 2"),
    "empty.yaml": ("", "line 1"),
    "list.json": ("[1, 2]", "line 1"),
    "broken.json": ('{"1": "a",\n "2" "b"}', "line 2"),
    "deep.json": ("[" * 60_000, "nested"),
    "bomb.yaml": ("a: &a [x]\nb: &b [*a,*a]\n1: *b\n", "line 1"),
    "group.yaml": ("labels: {1: a}\ngroups: {G: [zzz]}\n", "zzz"),
    "key.yaml": ("labels: {1: a}\nlables: {2: b}\n", "lables"),
    "python.yaml": ("1: !!python/object/apply:os.getcwd []\n", "line 1"),
    "none.csv": ("0,background\n", "no label"),
    "control.csv": ("1,a\x07\n", "line 1"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_named_with_their_line(name: str, tmp_path: Path) -> None:
    text, wanted = FAULTS[name]
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(LabelError, match=wanted):
        load_labels(tmp_path / name)


def test_a_table_must_be_small_text(tmp_path: Path) -> None:
    (tmp_path / "big.csv").write_bytes(b"1,a\n" * 300_000)
    with pytest.raises(LabelError, match="too large"):
        load_labels(tmp_path / "big.csv")
    (tmp_path / "latin.csv").write_bytes(b"1,a\n2,\xe9\n")
    with pytest.raises(LabelError, match="line 2"):
        load_labels(tmp_path / "latin.csv")
    with pytest.raises(StorageError):
        load_labels(tmp_path / "missing.csv")
    with pytest.raises(StorageError):
        (tmp_path / "folder.csv").mkdir()
        load_labels(tmp_path / "folder.csv")
    with pytest.raises(InputError, match="ending"):
        (tmp_path / "table.doc").write_text("1,a")
        load_labels(tmp_path / "table.doc")


@pytest.mark.shared_data
def test_real_tables_and_maps_are_named(shared_data: Path) -> None:
    import nibabel as nib
    import numpy as np

    lpba = load_labels(shared_data / "sri24_lpba40" / "LPBA40-labels.txt")
    assert len(lpba.labels) == 56 and lpba.names[21] == "L_superior_frontal_gyrus"
    with pytest.raises(LabelError, match="line 330"):  # it really names one structure twice
        load_labels(shared_data / "sri24_lpba40" / "SRI24-tzo116plus.txt")
    known = load_labels("freesurfer").names
    folder = shared_data / "synthseg_labelmaps" / "data" / "training_label_maps"
    for path in sorted(folder.glob("*_0[159].nii.gz")):
        present = np.unique(np.asarray(nib.load(path).dataobj))
        assert {int(v) for v in present} - {0} <= set(known)
