"""ONNX networks: what goes in, what comes out and where it lies; networks that are not what a card says."""

from __future__ import annotations

import itertools
import math
import sys

import numpy as np
import pytest
import yaml
from onnx import TensorProto
from onnx_networks import NETWORK, card_of, classifier, passing, segmenter, with_weights_in

from sagittal.errors import (
    FileFormatError,
    InputError,
    IntegrityError,
    MissingExtraError,
    SpacingUnknownError,
)
from sagittal.geometry import Geometry
from sagittal.io.raster import picture_geometry
from sagittal.specialists.onnx import open_onnx
from sagittal.specialists.onnx_input import network_input
from sagittal.specialists.onnx_settings import onnx_settings
from sagittal.specialists.pool import Pool
from sagittal.specialists.process import Program
from sagittal.specialists.protocol import SpecialistError
from sagittal.study import Image, Study

ORIENTATIONS = [
    "".join(codes)
    for order in itertools.permutations(("RL", "AP", "SI"))
    for codes in itertools.product(*order)
]
FLAT = {"layout": "NCHW", "size": [12, 10], "values": "as is", "outputs": ["bright"], "activation": "sigmoid"}
DEEP = {**FLAT, "layout": "NCDHW", "size": [10, 12, 8]}
TWO = {"outputs": ["dark", "bright"], "activation": "softmax"}


def a_study(*images):
    return Study("study", "patient", images)


def scan(shape=(10, 12, 8), affine=None, kind="t1", seed=0):
    """Noise, of which a third is brighter than 100."""
    data = np.random.default_rng(seed).integers(0, 150, shape).astype(np.float32)
    data[data == 100] = 99
    return Image(
        data, Geometry(shape, np.diag([1.0, 1.5, 2.0, 1.0]) if affine is None else affine), kind, kind
    )


def noise(*shape):
    return np.random.default_rng(0).random(shape, np.float32)


def picture(values):
    """Rows of grey values, or of colours, as they are shown."""
    values = np.asarray(values)
    data = np.swapaxes(values, 0, 1)[:, :, None]
    return Image(data, picture_geometry(*data.shape[:2]), "photo", "picture")


def opened(tmp_path, settings, **changes):
    return open_onnx(card_of(settings, **changes), tmp_path)


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_a_volume_lies_where_it_lay(codes, tmp_path):
    segmenter(tmp_path / NETWORK, (1, 1, 10, 12, 8), 100, 1)
    specialist = opened(tmp_path, DEEP)
    image = scan()
    turned = image.reorient(codes)
    mask = specialist.run(a_study(turned), "bright")
    assert mask.geometry.same_grid(turned.geometry) and mask.labels == {1: "bright"}
    np.testing.assert_array_equal(mask.reorient("RAS").data, image.data > 100)


@pytest.mark.parametrize("codes", ["RAS", "SPL", "ILA", "PSR"])
def test_axes_point_where_the_card_says(codes, tmp_path):
    image = scan()
    towards = image.reorient(codes)
    settings = {**DEEP, "layout": "NDHWC", "size": towards.shape, "orientation": codes}
    specialist_input = network_input([image.reorient("LIP")], onnx_settings(card_of(settings)))
    np.testing.assert_allclose(specialist_input.values[0, ..., 0], towards.data, atol=1e-3)
    segmenter(tmp_path / NETWORK, (1, *towards.shape, 1), 100, 4)
    mask = opened(tmp_path, settings).run(a_study(image), "bright")
    np.testing.assert_array_equal(mask.data, image.data > 100)


@pytest.mark.parametrize("codes", ORIENTATIONS)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_slice_lies_where_it_lay(codes, axis, tmp_path):
    image = scan()
    flat = image.crop(
        [4 if a == axis else 0 for a in range(3)],
        [5 if a == axis else n for a, n in enumerate(image.shape)],
    )
    turned, truth = flat.reorient(codes), flat.data > 100
    width, height = (n for a, n in enumerate(image.shape) if a != axis)
    segmenter(tmp_path / NETWORK, (1, height, width, 1), 100, 3, background=True)
    settings = {**FLAT, "layout": "NHWC", "size": [height, width]}
    settings |= {"outputs": ["background", "bright"], "activation": "softmax"}
    mask = opened(tmp_path, settings).run(a_study(turned), "bright")
    assert mask.geometry.same_grid(turned.geometry)
    np.testing.assert_array_equal(mask.reorient("RAS").data == mask.value_of("bright"), truth)


def test_a_slice_goes_in_as_a_radiologist_sees_it():
    image = scan().crop((0, 0, 4), (10, 12, 5))
    given = network_input([image.reorient("PSL")], onnx_settings(card_of(FLAT)))
    # The first row is the front, the first column the patient's right.
    np.testing.assert_array_equal(given.values[0, 0], image.data[::-1, ::-1, 0].T)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_a_picture_is_brought_to_size_as_pillow_does(layout):
    from PIL import Image as Pictures

    rows = np.random.default_rng(1).integers(0, 256, (37, 53), dtype=np.uint8)
    settings = {**FLAT, "layout": layout, "size": [16, 24], "channels": 3, "resize": "cubic"}
    settings |= {"values": "unit", "mean": [0.1, 0.2, 0.3], "std": [0.5]}
    colours = Pictures.fromarray(rows).convert("RGB").resize((24, 16))
    wanted = (np.asarray(colours, np.float32) / 255 - np.float32([0.1, 0.2, 0.3])) / np.float32(0.5)
    wanted = wanted if layout == "NHWC" else np.moveaxis(wanted, -1, 0)
    given = network_input([picture(rows)], onnx_settings(card_of(settings)))
    np.testing.assert_array_equal(given.values, wanted[None])
    assert given.values.dtype == np.float32 and given.grid.shape == (24, 16, 1)


def test_colours_for_a_network_of_one_channel_are_made_grey():
    colours = np.zeros((12, 10, 3), np.uint8)
    colours[:6] = (30, 60, 93)
    given = network_input([picture(colours)], onnx_settings(card_of({**FLAT, "values": "unit"})))
    np.testing.assert_array_equal(given.values[0, 0, :6], np.float32(61) / np.float32(255))
    with pytest.raises(InputError, match="grey or of three"):
        network_input([picture(noise(12, 10, 2))], onnx_settings(card_of(FLAT)))


def test_values_of_each_sort():
    image = scan()
    wanted = (image.data - image.data.mean()) / image.data.std()
    given = network_input([image], onnx_settings(card_of({**DEEP, "values": "z-score"})))
    np.testing.assert_allclose(given.values[0, 0], wanted, atol=1e-4)
    given = network_input([image], onnx_settings(card_of({**DEEP, "values": "unit"})))
    assert given.values.min() == 0 and given.values.max() == 1
    given = network_input([image], onnx_settings(card_of({**DEEP, "mean": [-10.0], "std": [2.0]})))
    np.testing.assert_allclose(given.values[0, 0], (image.data + 10) / 2, atol=1e-4)


def test_a_classifier_gives_the_classes_of_the_card_by_name(tmp_path):
    classifier(tmp_path / NETWORK, (1, 3, 12, 10), (2, 3))
    settings = {**FLAT, "channels": 3, "values": "unit", **TWO}
    specialist = opened(tmp_path, settings, classes={"bright": 0.5, "dark": 0.5}, exclusive=True)
    rows = np.full((12, 10), 51, np.uint8)
    rows[:6] = 153
    found = specialist.run(a_study(picture(rows)), "kind")
    wanted = 1 / (1 + math.exp(-2 * 0.4))
    assert list(found) == ["bright", "dark"] and specialist.accepts(a_study()) is None
    assert found == pytest.approx({"bright": wanted, "dark": 1 - wanted}, abs=1e-6)


def test_a_network_of_a_spacing_sees_the_middle_of_a_scan(tmp_path):
    segmenter(tmp_path / NETWORK, (1, 1, 16, 16, 16), 50, 1)
    specialist = opened(tmp_path, {**DEEP, "size": [16] * 3, "spacing": [2.0] * 3, "orientation": "LPS"})
    affine = np.diag([1.0, 1.0, 3.0, 1.0])
    affine[:3, 3] = (-31.5, -23.5, -46.5)
    data = np.zeros((64, 48, 32), np.float32)
    data[20:30, 16:30, 12:18] = 100
    # Beyond 16 mm from the middle it does not look.
    data[0:6, 16:30, 12:18] = 100
    image = Image(data, Geometry(data.shape, affine), "t1", "t1")
    mask = specialist.run(a_study(image), "bright").data > 0
    truth = data > 50
    truth[:16] = False
    assert not mask[:15].any()
    assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.9
    np.testing.assert_allclose(np.argwhere(mask).mean(axis=0), np.argwhere(truth).mean(axis=0), atol=0.3)
    unknown = Image(data, Geometry(data.shape, affine, spacing_known=False), "t1", "picture")
    with pytest.raises(SpacingUnknownError):
        specialist.run(a_study(unknown), "bright")


def test_several_images_are_channels_on_the_grid_of_the_first(tmp_path):
    segmenter(tmp_path / NETWORK, (1, 2, 10, 12, 8), 100, 1)
    masks = {"both": ["in t1", "in flair"], "flair": ["in flair"]}
    settings = {**DEEP, "channels": 2, "outputs": ["in t1", "in flair"]}
    specialist = opened(tmp_path, settings, masks=masks, images=2)
    first, second = scan(), scan(kind="flair", seed=1)
    study = a_study(first, second.reorient("SAR"))
    only = specialist.run(study, "flair")
    assert only.labels == {2: "in flair"} and only.geometry.same_grid(first.geometry)
    in_first, in_second = first.data > 100, second.data > 100
    # Where both are as likely, the first counts.
    np.testing.assert_array_equal(only.data == 2, in_second & ~in_first)
    both = specialist.run(study, "both")
    np.testing.assert_array_equal(both.data == 1, in_first)
    np.testing.assert_array_equal(both.data == 2, in_second & ~in_first)


def test_a_finer_picture_has_smooth_outlines(tmp_path):
    segmenter(tmp_path / NETWORK, (1, 1, 12, 10), 0.5, 1)
    rows = np.zeros((120, 100), np.uint8)
    rows[30:80, 20:60] = 255
    mask = opened(tmp_path, {**FLAT, "values": "unit"}).run(a_study(picture(rows)), "bright").data[:, :, 0].T
    # Straight edges are where they are, and corners are rounded: the network sees ten pixels as one.
    assert mask[30:80, 40].all() and mask[50, 20:60].all() and not mask[30, 20]
    assert (mask != (rows > 0)).mean() < 0.005


def test_images_that_cannot_be_looked_at(tmp_path):
    settings = onnx_settings(card_of(DEEP))
    flat = Image(np.full((4, 4, 4), 3), Geometry((4, 4, 4), np.eye(4)), "t1", "flat")
    with pytest.raises(InputError, match="same everywhere"):
        network_input([flat], settings)
    holes = scan()
    holes.data[1, 1, 1] = np.nan
    with pytest.raises(InputError, match="no numbers"):
        network_input([holes], settings)
    colours = Image(noise(4, 4, 4, 3), Geometry((4, 4, 4), np.eye(4)), "t1", "colours")
    with pytest.raises(InputError, match="one channel"):
        network_input([colours], settings)
    with pytest.raises(InputError, match="A volume is no picture"):
        network_input([scan()], onnx_settings(card_of(FLAT)))


@pytest.mark.parametrize(
    ("operation", "activation", "word"),
    [
        ("Log", "sigmoid", "no numbers"),
        ("Identity", "none", "no probability"),
        ("Neg", "none", "no probability"),
    ],
)
def test_what_is_no_probability_is_a_fault_of_the_network(operation, activation, word, tmp_path):
    passing(tmp_path / NETWORK, (1, 1, 10, 12, 8), operation)
    specialist = opened(tmp_path, {**DEEP, "activation": activation})
    with pytest.raises(SpecialistError, match=word) as error:
        specialist.run(a_study(scan()), "bright")
    assert error.value.fault == "wrong"


def test_a_network_of_names_for_sizes_may_give_another_shape(tmp_path):
    passing(tmp_path / NETWORK, ["batch", 1, "rows", "columns"], "MaxPool", kernel_shape=[3, 3])
    with pytest.raises(SpecialistError, match="another shape"):
        opened(tmp_path, FLAT).run(a_study(picture(noise(12, 10))), "bright")


def test_networks_that_are_not_what_the_card_says(tmp_path):
    network = tmp_path / NETWORK
    classes = {"classes": {"dark": 0.5, "bright": 0.5}}
    settings = {**FLAT, "channels": 3, **TWO}
    cases = [
        (lambda: segmenter(network, (1, 1, 12, 11), 1, 1), FLAT, {}, "takes tensor.* 1×1×12×10"),
        (lambda: segmenter(network, (1, 1, 10, 12, 8), 1, 1), FLAT, {}, "takes tensor"),
        (lambda: segmenter(network, (1, 1, 12, 10), 1, 1, background=True), FLAT, {}, "gives tensor"),
        (lambda: classifier(network, (1, 3, 12, 10), (2, 3), gives=3), settings, classes, "gives .* 1×2"),
        (lambda: classifier(network, (1, 3, 12, 10), (2, 3), kind=TensorProto.DOUBLE), settings, classes,
         "got: .*double"),
        (lambda: passing(network, (1, 1, 12, 10), outputs=("y", "z")), FLAT, {}, "settings.output"),
        (lambda: passing(network, (1, 1, 12, 10)), {**FLAT, "output": "z"}, {}, "an output z"),
        (lambda: network.write_bytes(b"no network"), FLAT, {}, "cannot load"),
    ]  # fmt: skip
    for make, of, changes, word in cases:
        make()
        with pytest.raises(FileFormatError, match=f"(?s){word}"):
            opened(tmp_path, of, **changes)
    passing(network, (1, 1, 12, 10), outputs=("y", "z"))
    opened(tmp_path, {**FLAT, "output": "z"})
    weights = [{"file": NETWORK, "sha256": "0" * 64}]
    with pytest.raises(IntegrityError, match="another one"):
        opened(tmp_path, FLAT, needs={"weights": weights})


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"size": [12]}, "2 numbers"), ({"size": [12, 5_000]}, "4096"), ({"layout": "NCDHW"}, "3 numbers"),
        ({"orientation": "LPS"}, "as it is shown"), ({"spacing": [1, 1, 1]}, "as it is shown"),
        ({"channels": 2}, "three colours"), ({"mean": [1, 2]}, "mean and std"), ({"std": [0]}, "positive"),
        ({"outputs": ["bright", "bright"]}, "differ"), ({"activation": "softmax"}, "always 1"),
        ({"file": "other.onnx"}, "do not name other.onnx"), ({"outputs": ["dim"]}, "no mask holds"),
        ({"speed": 1}, "settings.speed"), ({"values": "any"}, "settings.values"),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit(changes, word):
    with pytest.raises(FileFormatError, match=word):
        onnx_settings(card_of({**FLAT, **changes}))


def test_settings_and_card_belong_together():
    for changes, word in (
        ({"orientation": "RRS"}, "R or L"), ({"orientation": "RAX"}, "R or L"), ({"channels": 2}, "1 images"),
    ):  # fmt: skip
        with pytest.raises(FileFormatError, match=word):
            onnx_settings(card_of({**DEEP, **changes}))
    with pytest.raises(FileFormatError, match="no classes"):
        onnx_settings(card_of(FLAT, classes={"bright": 0.5, "dark": 0.5}))
    with pytest.raises(FileFormatError, match="one picture"):
        onnx_settings(card_of(DEEP, looks_at="picture"))
    with pytest.raises(FileFormatError, match="every image"):
        onnx_settings(card_of(DEEP, every=True))


def test_weights_in_other_files_are_read_below_the_folder_only(tmp_path):
    folder = tmp_path / "folder"
    (folder / "below").mkdir(parents=True)
    numbers = np.float32([1, -1, 1, -1]).tobytes()
    for path in (tmp_path / "outside.bin", folder / "here.bin", folder / "below" / "here.bin"):
        path.write_bytes(numbers)
    (folder / "link.bin").symlink_to(tmp_path / "outside.bin")
    settings = {**FLAT, "size": [2, 2]}
    for location in ("here.bin", "below/here.bin"):
        with_weights_in(folder / NETWORK, location)
        mask = opened(folder, settings).run(a_study(picture([[0.1, 0.2], [0.3, 0.4]])), "bright")
        assert mask.data[:, :, 0].tolist() == [[1, 1], [0, 0]]
    for location in ("../outside.bin", str(tmp_path / "outside.bin"), "below/../../outside.bin", "link.bin"):
        with_weights_in(folder / NETWORK, location)
        with pytest.raises(FileFormatError, match=r"(?s)cannot load.*in its folder"):
            opened(folder, settings)


def test_without_onnxruntime_or_with_an_old_one(tmp_path, monkeypatch):
    segmenter(tmp_path / NETWORK, (1, 1, 12, 10), 1, 1)
    with monkeypatch.context() as patch:
        patch.setattr("onnxruntime.__version__", "1.23.9")
        with pytest.raises(MissingExtraError, match="too old"):
            opened(tmp_path, FLAT)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match="specialists"):
        opened(tmp_path, FLAT)


def test_in_a_process_of_its_own(tmp_path, monkeypatch):
    # What lies where the user happens to be is not imported there.
    for name in ("onnxruntime", "numpy", "yaml"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from the working directory')")
    monkeypatch.chdir(tmp_path)
    passing(tmp_path / NETWORK, (1, 1, 12, 10), "Log")
    card = card_of(FLAT)
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(card.model_dump(by_alias=True, mode="json")))
    program = Program(card, tmp_path / "card.yaml", tmp_path, "sagittal.specialists.onnx:open_onnx")
    pool = Pool()
    rows = np.full((12, 10), 0.5, np.float32)
    rows[3:5, 2:7] = 2.5
    try:
        result = pool.run(program, a_study(picture(rows)), "bright").result
        np.testing.assert_array_equal(result.mask.data[:, :, 0].T, rows > 1)
        rows[0, 0] = 0
        with pytest.raises(SpecialistError, match="no numbers") as error:
            pool.run(program, a_study(picture(rows)), "bright")
        assert error.value.fault == "wrong"
    finally:
        pool.close()
