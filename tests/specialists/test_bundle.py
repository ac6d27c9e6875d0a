"""MONAI bundles give what MONAI itself gives, on the image's own grid, and nothing of theirs is executed."""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.apps.vista3d.transforms import VistaPostTransformd
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from monai.inferers import SlidingWindowInfererAdapt
from monai.networks.nets import UNet, vista3d132
from monai.transforms import Compose, Invertd
from monai_bundles import (
    BRATS_CHANNELS,
    CLASSES,
    LOOKS_AT,
    normalised,
    spleen_config,
    vista_config,
    write_brats,
    write_spleen,
    write_vista,
)

from sagittal.errors import FileFormatError, InputError
from sagittal.geometry import Geometry
from sagittal.specialists import registry
from sagittal.specialists.bundle import open_bundle
from sagittal.specialists.card import SpecialistCard, read_card
from sagittal.specialists.pool import Pool
from sagittal.specialists.protocol import SpecialistError
from sagittal.study import Image, Study

CARDS = Path(registry.__file__).parent / "cards"
KINDS = ("t1c", "t1", "t2", "flair")
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
ORIENTATIONS = [
    "".join(codes)
    for order in itertools.permutations(("RL", "AP", "SI"))
    for codes in itertools.product(*order)
]


def a_card(name, **settings):
    card = read_card(CARDS / f"{name}.yaml")
    return card.model_copy(update={"settings": {**card.settings, "precision": "float32", **settings}})


def heads(shape=(20, 24, 12), affine=LPS, seed=0):
    """Four scans of a block of brain, 0 around it."""
    rng = np.random.default_rng(seed)
    brain = np.zeros(shape, bool)
    brain[3:-3, 4:-4, 2:-1] = True
    return tuple(
        Image(np.where(brain, rng.random(shape) + 0.5, 0).astype(np.float32), Geometry(shape, affine), k, k)
        for k in KINDS
    )


def study_of(*images):
    return Study("study", "patient", images)


def above(images):
    """Region → where its channel, normalised, lies above its value."""
    by_name = dict(zip(BRATS_CHANNELS, images, strict=True))
    return {region: normalised(by_name[name].data) >= value for region, (name, value) in LOOKS_AT.items()}


@pytest.fixture(scope="module")
def brats(tmp_path_factory):
    return write_brats(tmp_path_factory.mktemp("brats"))


@pytest.fixture(scope="module")
def spleen_card():
    return SpecialistCard.model_validate({
        "schema": "sagittal.specialist/1", "name": "Spleen", "summary": "outlines the spleen",
        "images": [["ct"]], "looks_at": "volume", "arguments": {"both": "both", "spleen": "spleen"},
        "masks": {"both": ["liver", "spleen"], "spleen": ["spleen"]}, "licence": "Apache-2.0",
        "source": "a test", "cost": {"seconds": 1, "memory_mb": 500}, "adapter": "bundle",
        "settings": {"channels": ["image"], "output": "classes"},
    })  # fmt: skip


def a_ct(shape=(26, 22, 18), spacing=(1.7, 1.2, 3.0), kind="ct"):
    rng = np.random.default_rng(7)
    coarse = rng.random((4, 4, 4)) * 1_600 - 800
    data = np.kron(coarse, np.ones([-(-n // 4) for n in shape]))[: shape[0], : shape[1], : shape[2]]
    turn = np.array([[0, -1, 0], [1, 0, 0], [0, 0, -1]]) * np.array(spacing)
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = turn, (30, -12, 7)
    return Image(data.astype(np.int16), Geometry(shape, affine), kind, "ct.nii.gz")


# -- channels, intensities, regions ------------------------------------------------------------


def test_each_region_comes_from_its_own_channel_normalised_over_the_brain(brats):
    images = heads()
    bundle, found = open_bundle(a_card("BRATS"), brats), above(images)
    study = study_of(*images)
    assert bundle.accepts(study) is None
    for argument, region in (
        ("whole tumour", "Whole tumor"), ("tumour core", "Tumor core"),
        ("enhancing tumour", "Enhancing tumor"),
    ):  # fmt: skip
        mask = bundle.run(study, argument)
        assert mask.labels == {1: argument} and mask.geometry is images[0].geometry
        assert np.array_equal(mask.data > 0, found[region])
    parts = bundle.run(study, "tumour")
    et = found["Enhancing tumor"]
    core = found["Tumor core"] & ~et
    assert np.array_equal(parts.of("enhancing tumour").data > 0, et)
    assert np.array_equal(parts.of("non-enhancing core").data > 0, core)
    assert np.array_equal(parts.of("oedema").data > 0, found["Whole tumor"] & ~core & ~et)


def test_channels_go_in_as_the_bundle_names_them(tmp_path, brats):
    study = study_of(*heads())
    folder = write_brats(tmp_path, channels=("FLAIR", "T2", "t1c", "T1"))
    one, other = (open_bundle(a_card("BRATS"), f).run(study, "tumour") for f in (brats, folder))
    assert np.array_equal(one.data, other.data) and one.data.any()
    strange = write_brats(tmp_path / "strange", channels=("T1c", "T1", "T2", "FLAIR"))
    with pytest.raises(FileFormatError, match="other images"):
        open_bundle(a_card("BRATS", channels=["T1c", "T1", "T2", "DWI"]), strange)


def test_any_orientation_gives_the_same_mask_in_space(tmp_path):
    # The network looks one voxel further along its first axis, which points to the left.
    wide = {"_target_": "SlidingWindowInferer", "roi_size": 24}
    bundle = open_bundle(a_card("BRATS", crop=False), write_brats(tmp_path, shift=1, inferer=wide))
    images = heads()
    expected = np.zeros(images[0].shape, bool)
    expected[:-1] = above(images)["Whole tumor"][1:]
    assert len(set(ORIENTATIONS)) == 48
    for codes in ORIENTATIONS:
        mask = bundle.run(study_of(*(image.reorient(codes) for image in images)), "whole tumour")
        assert mask.geometry.orientation == codes
        assert np.array_equal(mask.reorient("LPS").data > 0, expected), codes


def test_an_oblique_scan_keeps_its_grid(brats):
    from scipy.spatial.transform import Rotation

    affine = LPS.copy()
    affine[:3, :3] = Rotation.from_euler("xyz", (7, -11, 4), degrees=True).as_matrix() @ LPS[:3, :3]
    affine[:3, 3] = (11.5, -40.25, 3.0)
    images = heads(affine=affine)
    mask = open_bundle(a_card("BRATS"), brats).run(study_of(*images), "tumour core")
    assert mask.geometry.same_grid(images[0].geometry)
    assert np.array_equal(mask.data > 0, above(images)["Tumor core"])


def test_windows_and_the_box_around_the_brain_change_nothing_that_is_local(brats, tmp_path):
    study = study_of(*heads((30, 34, 20)))
    whole = {"_target_": "SlidingWindowInferer", "roi_size": [64, 64, 32]}
    wide = open_bundle(a_card("BRATS", crop=False), write_brats(tmp_path, inferer=whole))
    narrow = open_bundle(a_card("BRATS", window={"most": [8, 16, 8], "mode": "gaussian"}), brats)
    one, other = wide.run(study, "whole tumour"), narrow.run(study, "whole tumour")
    assert np.array_equal(one.data, other.data)
    # Half the bits of a number: what is told apart is what lies close to the threshold alone.
    lower = open_bundle(a_card("BRATS", precision="bfloat16"), brats).run(study, "whole tumour")
    assert (lower.data != one.data).mean() < 0.005


def test_scans_on_unlike_grids(brats):
    images = heads()
    grid = images[0].geometry
    finer = Geometry((46, 24, 12), grid.with_spacing((0.5, 1, 1)).affine)
    t2 = images[2].resample_to(finer)
    turned = images[1].reorient("SRP")
    refusing = open_bundle(a_card("BRATS", resample=False), brats)
    assert refusing.accepts(study_of(images[0], turned, *images[2:])) is None
    assert "another grid" in refusing.accepts(study_of(*images[:2], t2, images[3]))
    bundle, study = open_bundle(a_card("BRATS"), brats), study_of(images[0], turned, t2, images[3])
    assert bundle.accepts(study) is None
    mask = bundle.run(study, "tumour")
    # No region looks at T2.
    assert np.array_equal(mask.data, bundle.run(study_of(*images), "tumour").data)
    affine = LPS.copy()
    affine[2, 3] = 40
    assert "another place" in bundle.accepts(study_of(*images[:3], heads(affine=affine)[3]))


def test_what_cannot_be_looked_at_is_said(brats):
    bundle, images = open_bundle(a_card("BRATS"), brats), heads()
    colours = Image(np.zeros((20, 24, 12, 3), np.float32), images[0].geometry, "t1c", "t1c")
    assert "colours" in bundle.accepts(study_of(colours, *images[1:]))
    unknown = Geometry(images[0].shape, LPS, spacing_known=False)
    assert "spacing" in bundle.accepts(study_of(*(Image(i.data, unknown, i.kind, i.name) for i in images)))
    for value, word in ((0.0, "empty"), (np.nan, "no numbers")):
        strange = [Image(np.full_like(i.data, value), i.geometry, i.kind, i.name) for i in images]
        with pytest.raises(InputError, match=word):
            bundle.run(study_of(*strange), "tumour")
    giant = Geometry(images[0].shape, np.diag([-90.0, -90, 90, 1]))
    with pytest.raises(InputError, match="too large"):
        bundle.run(study_of(*(Image(i.data, giant, i.kind, i.name) for i in images)), "tumour")


# -- against MONAI itself ----------------------------------------------------------------------


def read_by_monai(config, image, tmp_path):
    """Preparation by MONAI's own reading of a config, from a file; and the parser."""
    path = tmp_path / "scan.nii.gz"
    nib.save(nib.Nifti1Image(image.data, image.geometry.affine), path)
    config["preprocessing"]["transforms"][0].pop("reader", None)
    config["postprocessing"]["transforms"].pop()
    parser = ConfigParser(config)
    return parser.get_parsed_content("preprocessing")({"image": str(path)}), parser


@pytest.mark.parametrize("labels_first", [False, True])
def test_a_bundle_of_classes_gives_what_monai_gives(tmp_path, spleen_card, labels_first):
    config = spleen_config()
    if labels_first:
        steps = config["postprocessing"]["transforms"]
        steps[1], steps[2] = steps[2], {**steps[1], "nearest_interp": True}
    folder, ct = write_spleen(tmp_path, postprocessing=config["postprocessing"]), a_ct()
    mask = open_bundle(spleen_card, folder).run(study_of(ct), "both")
    # Its readers, all of which are made, warn of their own future.
    with warnings.catch_warnings(action="ignore"), torch.inference_mode():
        data, parser = read_by_monai(config, ct, tmp_path)
        network = parser.get_parsed_content("network_def")
        assert isinstance(network, UNet)
        network.load_state_dict(torch.load(folder / "models/model.pt", weights_only=True))
        told = parser.get_parsed_content("inferer")(data["image"][None], network.eval())[0]
        data["pred"] = MetaTensor(told.as_tensor(), meta=data["image"].meta)
        expected = parser.get_parsed_content("postprocessing")(data)["pred"][0].numpy()
    assert mask.labels == {1: "liver", 2: "spleen"} and mask.geometry is ct.geometry
    assert set(np.unique(expected)) == {0, 1, 2}
    # The metadata's numbers are 1 spleen, 2 liver.
    assert np.array_equal(np.array([0, 2, 1])[mask.data], expected)


def test_prompts_give_what_vista3d_gives(tmp_path):
    folder, ct = write_vista(tmp_path), a_ct((48, 30, 22), (1.5, 1.5, 2.0))
    window = {"most": [32, 32, 32], "padding_mode": "replicate"}
    card = a_card("VISTA3D", window=window)
    mask = open_bundle(card, folder).run(study_of(ct), "muscles")
    # Six of ten classes at a time.
    narrow = open_bundle(a_card("VISTA3D", window=window, outputs_mb=1), folder)
    assert np.array_equal(narrow.run(study_of(ct), "muscles").data, mask.data)
    config = vista_config(preprocessing=None)
    steps = [t for t in config["preprocessing_transforms"] if "VistaPre" not in t["_target_"]]
    config["preprocessing"] = {"_target_": "Compose", "transforms": steps}
    prompts = torch.tensor([CLASSES.index(label) for label in card.masks["muscles"]])
    # Its readers, all of which are made, warn of their own future.
    with warnings.catch_warnings(action="ignore"), torch.inference_mode():
        data, parser = read_by_monai(config, ct, tmp_path)
        network = vista3d132(encoder_embed_dim=8)
        network.load_state_dict(torch.load(folder / "models/model.pt", weights_only=True))
        # As the bundle's own Vista3dInferer does it, with the overlap of its config.
        inferer = SlidingWindowInfererAdapt(
            roi_size=[32] * 3, sw_batch_size=1, overlap=0.3, with_coord=True, padding_mode="replicate"
        )
        told = inferer(
            data["image"].as_tensor()[None], network.eval(), transpose=True, point_coords=None,
            point_labels=None, class_vector=prompts[:, None], prompt_class=prompts[:, None], prev_mask=None,
            labels=None, label_set=None,
        )[0]  # fmt: skip
        data["pred"], data["label_prompt"] = MetaTensor(told, meta=data["image"].meta), prompts
        prepare = parser.get_parsed_content("preprocessing")
        done = Compose([VistaPostTransformd("pred"), Invertd("pred", prepare, "image", nearest_interp=True)])
        expected = done(data)["pred"][0].numpy()
    values = np.array([0, *(CLASSES.index(mask.labels[v]) for v in sorted(mask.labels))])
    assert np.array_equal(values[mask.data], expected)
    assert len(np.unique(expected)) > 3


def test_every_label_of_the_vista_card_is_a_class_of_vista3d():
    card = read_card(CARDS / "VISTA3D.yaml")
    assert set(card.labels) <= set(CLASSES)
    # What the published inference calls everything: all but groups, what it does not do, tumours, vessels.
    left_out = {0, 2, 16, 18, 20, 21, 23, 24, 25, 26, 27, 128, 129, 130, 131, 132}
    everything = [name for number, name in enumerate(CLASSES) if number not in left_out]
    assert list(card.masks["everything"]) == everything


# -- as a specialist ---------------------------------------------------------------------------


def test_the_card_that_ships_runs_a_folder_of_the_published_layout(tmp_path, data_folder):
    folder = write_brats(tmp_path / "brats_mri_segmentation")
    entry = registry.specialists().find("BRATS")
    assert "the file models/model.pt" in entry.lacks()
    with pytest.raises(SpecialistError, match=r"monai\.bundle download"):
        registry.specialists().runnable("BRATS")
    registry.enable_specialist("BRATS", weights=folder)
    images, pool = heads(), Pool()
    call = pool.run(registry.specialists().runnable("BRATS").program, study_of(*images), "whole tumour")
    expected = above(images)["Whole tumor"]
    assert call.result.image == "t1c"
    assert ((call.result.mask.data > 0) != expected).mean() < 0.005
    (folder / "configs/metadata.json").unlink()
    with pytest.raises(SpecialistError, match=r"configs/metadata\.json"):
        registry.specialists().runnable("BRATS")
    pool.close()
