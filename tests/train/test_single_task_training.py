"""Single-task networks learn: from the studies that have their structure, from classes in turn, by heart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small_worlds import small_worlds

from sagittal.builders.voxel.characterised import characterisation
from sagittal.builders.voxel.structures import structure_table
from sagittal.errors import InputError
from sagittal.models.voxelprompt.losses import soft_dice_loss
from sagittal.models.voxelprompt.preparation import PreparationConfig
from sagittal.nn.single_task import SingleTaskClassifier, SingleTaskUNet
from sagittal.nn.stream_unet import StreamUNetConfig
from sagittal.runtime import autocast
from sagittal.score.overlap import dice
from sagittal.simulate import HeadSet
from sagittal.train.characterised import CharacterisedCases, classifier_loss, classifier_scores
from sagittal.train.loop import Loop, LoopConfig, use_mean
from sagittal.train.single_task import (
    TARGETS,
    StudiesWith,
    TargetPatches,
    target_loss,
    target_of,
    target_scores,
)
from sagittal.train.vision_scores import simulated_case
from sagittal.train.vision_set import VisionSet
from sagittal.train.worlds import Banks, make_banks, training_worlds

SIZES = StreamUNetConfig.model_validate({"channels": (8, 16), "phi_channels": 16, "attention": 8})
EVERYWHERE = (slice(None),) * 3


@pytest.fixture(scope="module")
def banks(tmp_path_factory: pytest.TempPathFactory) -> Banks:
    """Restriction and enhancement, eight small studies each."""
    wanted = [w for w in training_worlds("single_training") if w.name in ("restriction", "enhancement")]
    worlds = small_worlds(wanted, 8, (36, 42, 34), 5.0)
    return make_banks(tmp_path_factory.mktemp("single"), worlds, HeadSet.phantoms(), 0)


@pytest.fixture
def cases(banks: Banks, tmp_path: Path) -> CharacterisedCases:
    config = PreparationConfig(working_mm=7.5)
    return CharacterisedCases(banks, tmp_path, characterisation("diffusion restriction"), config, 2)


# -- structures -----------------------------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS)
def test_studies_are_those_that_have_the_structure(studies: VisionSet, target: str) -> None:
    chosen = StudiesWith(studies, target)
    found = [n for n in range(len(studies)) if studies.load(n).target(target, EVERYWHERE).any()]
    if structure_table()[target].is_pathology:
        assert chosen.chosen == found and 0 < len(chosen) < len(studies)
    else:
        assert len(chosen) == len(studies)
    last = chosen.load(len(chosen) - 1)
    np.testing.assert_array_equal(last.leaf, studies.load(chosen.chosen[-1]).leaf)


def test_a_structure_that_nothing_has_is_refused(studies: VisionSet) -> None:
    with pytest.raises(InputError, match="No study has"):
        StudiesWith(studies, "resection cavity" if _lacks(studies, "resection cavity") else "infarct")


def _lacks(studies: VisionSet, name: str) -> bool:
    return not any(studies.load(n).target(name, EVERYWHERE).any() for n in range(len(studies)))


@pytest.mark.parametrize("target", TARGETS)
def test_a_patch_shows_its_target(studies: VisionSet, target: str) -> None:
    draw = TargetPatches(StudiesWith(studies, target), target, 3, 12, 2)
    patch, found = draw(5)
    again, same = draw(5)
    assert torch.equal(found, same) and all(map(torch.equal, patch.volumes, again.volumes))
    assert found.dtype == torch.bool and found.shape == patch.leaf.shape
    needs = structure_table()[target].needs
    for number in range(6):
        patch, _ = draw(number)
        assert not needs or set(needs) & set(patch.kinds)
    whole, found = TargetPatches(StudiesWith(studies, target), target, 3, None, 2)(0)
    assert found.any() and torch.equal(found, target_of(whole, target))


def test_the_loss_is_soft_dice_alone(studies: VisionSet) -> None:
    torch.manual_seed(0)
    network = SingleTaskUNet(SIZES)
    patch, target = TargetPatches(studies, "brainstem", 1, 12, 2)(0)
    literal = soft_dice_loss(network.first(patch.volumes, patch.grids)[0], target)
    torch.testing.assert_close(target_loss(network, patch, target), {"loss": literal})


@pytest.mark.parametrize("target", ["lateral ventricle", "whole tumour"])
def test_one_patch_is_learnt_by_heart(studies: VisionSet, target: str) -> None:
    torch.manual_seed(0)
    network = SingleTaskUNet(SIZES)
    draw = TargetPatches(StudiesWith(studies, target), target, 1, 12, 2)
    patch, truth = next(p for p in map(draw, range(50)) if 0.05 < float(p[1].float().mean()) < 0.6)
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    values = []
    for _ in range(40):
        loss = target_loss(network, patch, truth)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        values.append(float(loss.detach()))
    assert values[-1] < 0.5 * values[0]


def test_scores_are_dice_of_what_all_images_agree_on(studies: VisionSet) -> None:
    torch.manual_seed(0)
    network = SingleTaskUNet(SIZES).eval()
    case = simulated_case("made-0", studies.load(0), ["brainstem"], 2)
    found = target_scores(network, [case, case])
    with torch.no_grad(), autocast():
        logits = network(case.patch.volumes, case.patch.grids)[0].float().numpy()
    literal = dice(logits > 0, studies.load(0).target("brainstem", EVERYWHERE))
    assert found == {"score": pytest.approx(literal), "made": pytest.approx(literal)}


# -- characterisations ----------------------------------------------------------------------------


def test_cases_are_those_of_the_tasks_worlds(banks: Banks, cases: CharacterisedCases) -> None:
    facts = {n: banks.load(n).facts for n in range(len(banks))}
    for entry in cases.entries:
        truth = facts[entry.study]["sessions"][0]["restricts_diffusion"]
        assert cases.task.classes[entry.truth] == ("restricted" if truth else "not restricted")
        assert entry.given == (0, 1)
    assert {facts[e.study]["world"] for e in cases.entries} == {"restriction"} and len(cases) == 8


def test_truth_and_scans_are_found_once(
    banks: Banks, cases: CharacterisedCases, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = cases.case(0)
    monkeypatch.setattr(Banks, "load", lambda self, number: pytest.fail("made again"))
    again = CharacterisedCases(banks, cases.folder, cases.task, cases.config, 2)
    assert again.entries == cases.entries
    assert all(map(torch.equal, again.case(0).volumes, before.volumes))
    assert again.case(0).grids.groups == before.grids.groups


def test_classes_are_drawn_in_turn(cases: CharacterisedCases) -> None:
    assert [int(cases.draw(0, n, None).truth) for n in range(6)] == [0, 1, 0, 1, 0, 1]
    shown, same = cases.draw(1, 7, None), cases.draw(1, 7, None)
    assert all(map(torch.equal, shown.volumes, same.volumes))
    assert all(float(v.min()) >= 0 and float(v.max()) <= 1 and v.shape[0] == 1 for v in shown.volumes)


def test_patches_hold_some_of_the_lesion(cases: CharacterisedCases) -> None:
    size = 12
    for number in range(20):
        rng = np.random.default_rng(number)
        entry = cases.entries[number % len(cases)]
        cases._prepared(entry.study)
        place = cases._place(entry.study, size, rng)
        lesion = np.load(cases.folder / f"{entry.study:05d}" / "lesion.npy")
        assert lesion[place].any()
        assert lesion[place].shape == tuple(min(size, n) for n in lesion.shape)
    shown = cases.draw(0, 0, size)
    assert shown.volumes[0].shape[1:] == shown.grids.plans[0].levels[0].geometry.shape
    # A mirror image of a patch has the patch's own intensities: the lesion goes with it.
    assert len(shown.volumes) == 2 and shown.volumes[0].shape == shown.volumes[1].shape


def test_one_class_teaches_nothing(banks: Banks, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="two classes or more"):
        CharacterisedCases(banks, tmp_path, characterisation("signal intensity"), PreparationConfig(), 2)


def test_two_studies_are_learnt_by_heart(cases: CharacterisedCases) -> None:
    torch.manual_seed(0)
    network = SingleTaskClassifier(SIZES, 2)
    places = [cases.entries.index(entries[0]) for entries in cases.by_class]
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(15):
        terms = [classifier_loss(network, cases.case(place)) for place in places]
        optimiser.zero_grad()
        torch.stack([term["loss"] for term in terms]).mean().backward()
        optimiser.step()
    assert all(float(term["right"]) == 1 and float(term["loss"].detach()) < 0.3 for term in terms)


def test_all_classes_are_alike_at_first(cases: CharacterisedCases) -> None:
    terms = classifier_loss(SingleTaskClassifier(SIZES, 2), cases.case(0))
    assert float(terms["loss"].detach()) == pytest.approx(np.log(2))


def test_a_run_that_was_cut_off_goes_on(cases: CharacterisedCases, tmp_path: Path) -> None:
    config = LoopConfig(steps=6, rate=1e-3, warm_up=2, accumulate=2, mean_over=3, save_every=2, score_every=3)

    def run(name: str, *ends: int) -> dict[str, torch.Tensor]:
        for end in ends:
            torch.manual_seed(0)
            network = SingleTaskClassifier(SIZES, 2)
            Loop(
                network, config, lambda n: classifier_loss(network, cases.draw(0, n, 12)), tmp_path / name,  # noqa: B023
                scores=lambda: classifier_scores(network, cases),  # noqa: B023
            ).run(end=end)  # fmt: skip
        use_mean(torch.load(tmp_path / name / "last.pt", weights_only=True), network)
        return network.state_dict()

    whole, cut = run("whole", 6), run("cut", 3, 6)
    assert all(map(torch.equal, whole.values(), cut.values()))
