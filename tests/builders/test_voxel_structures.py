"""The table of structures: complete against the paper, sound against our label maps, unambiguous in words."""

from __future__ import annotations

import re
from collections import defaultdict

import pytest

from sagittal.builders.voxel.structures import structure_table
from sagittal.errors import LabelError
from sagittal.io.labels import load_labels
from sagittal.language.voxel_wordings import held_back
from sagittal.simulate.tissues import structures
from sagittal.study import KINDS

# VoxelPrompt, appendix A.2, in its order; "globus pallidus (externus and internus)" and "fornix (body, crus,
# and column)" taken apart, with the whole pallidum.
A2 = """
brain, dura, skull cavity, cerebrum, cerebral white matter, cerebral cortex, brainstem, cerebellum,
ventricular system, cerebral spinal fluid, amygdala, nucleus accumbens, hippocampus, thalamus, caudate,
putamen, dorsal striatum, globus pallidus, globus pallidus externus, globus pallidus internus, basal
ganglia, hypothalamus, fornix body, fornix crus, fornix column, mammillary body, septal nucleus,
subthalamic nucleus, habenula, ventral pallidum, extended amygdala, red nucleus, anterior commissure,
posterior commissure, pars compacta, pars reticulata, parabrachial pigmented nucleus, ventral tegmental
area, fimbria, septum pellucidum, tectum, pineal gland, superior colliculus, inferior colliculus,
cerebral peduncle, medullary pyramid, medial lemniscus, superior cerebellar peduncle, middle cerebellar
peduncle, inferior cerebellar peduncle, cerebellar gray matter, cerebellar white matter, lateral
ventricle, inferior lateral ventricle, posterior lateral ventricle, anterior lateral ventricle, atrium,
third ventricle, fourth ventricle, inter-ventricular foramen, cerebral aqueduct, frontal lobe, parietal
lobe, temporal lobe, occipital lobe, cingulate cortex, insular cortex, anterior cingulate cortex, caudal
anterior cingulate cortex, rostral anterior cingulate cortex, posterior cingulate cortex, isthmus
cingulate cortex, frontal pole, middle frontal gyrus, caudal middle frontal gyrus, rostral middle frontal
gyrus, superior frontal gyrus, inferior frontal gyrus, pars opercularis, pars orbitalis, pars
triangularis, lateral orbitofrontal cortex, medial orbitofrontal cortex, precentral gyrus, paracentral
lobule, inferior parietal lobule, superior parietal lobule, supramarginal gyrus, precuneus, postcentral
gyrus, entorhinal cortex, fusiform gyrus, parahippocampal gyrus, temporal pole, inferior temporal gyrus,
middle temporal gyrus, superior temporal gyrus, transverse temporal gyrus, cuneus, lingual gyrus,
pericalcarine cortex
"""
# Section 4.1: possible locations of a lesion.
PLACES = """
frontal lobe, parietal lobe, occipital lobe, temporal lobe, insular lobe, lateral ventricles,
posterior cerebral artery territory, middle cerebral artery territory, anterior cerebral artery territory,
brainstem, cerebellum, fourth ventricle, cerebellopontine angle
"""
TABLE = structure_table()


def listed(text: str) -> list[str]:
    return [" ".join(name.split()) for name in text.split(",")]


def normal(text: str) -> str:
    return re.sub(r"\W+", " ", text.lower()).strip()


def test_every_structure_and_place_of_the_paper_stands_in_the_table():
    assert len(listed(A2)) == 101
    assert len(set(listed(A2))) == 101
    papers = [word for s in TABLE.structures.values() if not s.side for word in s.paper]
    assert len(papers) == len(set(papers))
    assert set(papers) == {*listed(A2), *listed(PLACES)}


def test_how_many_of_the_paper_are_known():
    def known(maps: tuple[str, ...]) -> int:
        return sum(not s.side and bool(set(s.paper) & set(listed(A2))) for s in TABLE.known(maps))

    assert known(("freesurfer",)) == 25
    assert known(("freesurfer", "dk")) == 65
    assert len(TABLE.known()) + len(TABLE.unknown()) == len(TABLE.structures)


def test_every_source_value_exists_in_the_anatomy_tables():
    world = {int(v) for v in structures().values}
    presets = {name: set(load_labels(name).names) for name in ("freesurfer", "dk")}
    for s in TABLE.structures.values():
        assert set(s.values) <= world | presets["dk"], s.name
        if s.values and not s.only_in:
            # Something of it is there with any head, or made by the world itself (the dura).
            assert set(s.values) & (presets["freesurfer"] | {601}), s.name
        if s.only_in:
            assert set(s.values) <= presets[s.only_in], s.name


def test_values_have_the_side_that_the_name_says():
    table = structures()
    side = {int(v): int(k) for v, k in zip(table.values, table.side, strict=True)}
    for s in TABLE.structures.values():
        if s.side:
            assert {side[v] for v in s.values} == {-1 if s.side == "left" else 1}, s.name
        if s.side == "left":
            other = TABLE[s.name.replace("left", "right", 1)]
            mirror = {int(table.values[table.mirror[table.index(v)]]) for v in s.values}
            assert mirror == set(other.values), s.name
            assert set(s.values) | set(other.values) <= set(TABLE[s.base].values)


def test_the_cavity_holds_the_brain_and_the_brain_its_parts():
    brain, cavity = set(TABLE["brain"].values), set(TABLE["intracranial cavity"].values)
    assert brain < cavity
    for name in ("cerebrum", "cerebellum", "brainstem", "ventricular system", "basal ganglia", "hippocampus"):
        assert set(TABLE[name].values) < brain, name
    assert set(TABLE["cerebrum"].values).isdisjoint(TABLE["cerebellum"].values)


def test_pathologies_are_made_of_labels_that_presets_name():
    names = {
        n
        for p in ("gli", "brats2023", "brats2018", "brats2015", "wmh")
        for n in load_labels(p).names.values()
    }
    for s in TABLE.structures.values():
        assert set(s.labels) <= names | {"lesion"}, s.name
        assert set(s.needs) <= set(KINDS)
    for preset in ("gli", "brats2023", "brats2018"):
        groups = load_labels(preset).groups
        named = set(load_labels(preset).names.values())
        assert set(TABLE["whole tumour"].labels) & named == set(groups["WT"])
        assert set(TABLE["tumour core"].labels) & named == set(groups["TC"])


def test_no_words_stand_for_two_things():
    owners = defaultdict(set)
    for s in TABLE.structures.values():
        texts = [normal(p.text) for p in s.phrases]
        assert len(texts) == len(set(texts)), s.name
        assert texts[0] == normal(s.name) or s.side
        for text in texts:
            owners[text].add(s.name)
    for organ in TABLE.organs:
        owners[normal(organ.text)].add("organ")
    assert {t: o for t, o in owners.items() if len(o) > 1} == {}
    words = [normal(p.text) for q in TABLE.sequences.values() for p in q.phrases]
    assert len(words) == len(set(words))


def test_some_words_are_withheld_and_never_the_name():
    for s in TABLE.structures.values():
        assert not s.phrases[0].withheld
    plain = [p for s in TABLE.structures.values() if not s.side for p in s.plain]
    share = sum(p.withheld for p in plain) / len(plain)
    assert 0.05 < share < 0.25
    assert any(p.withheld for p in TABLE["left hippocampus"].phrases)


def test_what_everybody_says_is_never_withheld():
    """Nor does another word take its place: models were trained on those."""
    for name, everyday in (("whole tumour", "tumour"), ("enhancing tumour", "enhancing tumor")):
        words = {p.text: p.withheld for p in TABLE[name].phrases}
        assert everyday in held_back(list(words)[1:], name)
        assert not words[everyday] and not any(words.values())


def test_an_unknown_name_is_refused():
    with pytest.raises(LabelError):
        TABLE["spleen"]
