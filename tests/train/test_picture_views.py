"""Squares and random views: pixels and marks stay together, whatever is done to them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from marked_pictures import GROUND, SHARES, STEP, marked, toys
from sagittal.models.medplib.pictures import frame_of, squared
from sagittal.train.picture_views import (
    SMALLEST_SHARE,
    Squares,
    classes_of,
    plain,
    resampled,
    sampling,
    turned,
    views,
)

EDGE = 48
PLAIN = torch.linspace(0, 1, 256)


def stack() -> Squares:
    return Squares.make(toys(), classes_of(toys()), EDGE)


def test_squares_hold_each_picture_as_it_is_framed() -> None:
    pictures, found = toys(), stack()
    assert found.classes == ("aorta", "kidney", "liver", "lung", "spleen") and len(found) == len(pictures)
    chosen = torch.tensor([2, 0, 4, 0])
    labels = found.labels(chosen, found.marks[chosen])
    for row, number in enumerate(chosen.tolist()):
        picture = pictures[number]
        frame = frame_of(picture.image, EDGE)
        assert torch.equal(found.pixels[number], squared(picture.image, frame))
        for name in found.classes:
            wanted = frame.nearest(picture.of_class(name).astype(np.uint8)) > 0
            assert torch.equal(labels[row] == 1 + found.classes.index(name), wanted)
    assert not labels[2].any()


def test_plain_is_the_identity_at_the_same_size() -> None:
    found = stack()
    images, marks = plain(found.pixels, found.marks, EDGE)
    torch.testing.assert_close(images, found.pixels.float() / 255, atol=1e-4, rtol=0)
    assert torch.equal(marks, found.marks)
    images, marks = plain(found.pixels, found.marks, EDGE // 2)
    assert images.shape == (len(found), 3, EDGE // 2, EDGE // 2) and marks.shape == images[:, 0].shape


def together(images: torch.Tensor, marks: torch.Tensor) -> float:
    """Share of the pixels whose grey is what their mark means, of those not at a border between greys."""
    wanted = torch.where(marks > 0, GROUND + STEP * marks.float(), float(GROUND))
    grey = 255 * images
    flat = (-functional_pool(-grey) - functional_pool(grey)).abs() < 1
    return float((grey - wanted).abs()[flat].lt(1.5).float().mean())


def functional_pool(values: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = torch.nn.functional.max_pool2d(values[:, None], 3, 1, 1)[:, 0]
    return found


def test_views_keep_marks_and_pixels_together(monkeypatch: pytest.MonkeyPatch) -> None:
    import sagittal.train.picture_views as module

    monkeypatch.setattr(module, "exposures", lambda rng, count: PLAIN.expand(count, 256).numpy())
    whole = marked(
        "square", [("a", (6, 4, 20, 40)), ("b", (26, 8, 40, 18)), ("c", (28, 26, 44, 44))], (48, 48)
    )
    found = Squares.make([whole], classes_of([whole]), EDGE)
    pixels, marks = found.pixels.expand(24, -1, -1, -1), found.marks.expand(24, -1, -1)
    for edge in (EDGE, 36):
        images, seen = views(pixels, marks, edge, np.random.default_rng(1))
        # Beyond the picture all is black.
        inside = torch.where(images[:, 0] < GROUND / 255 - 1e-3, GROUND / 255, images[:, 0])
        assert together(inside, seen) > 0.999
        assert not torch.equal(seen[0], seen[1]) and torch.equal(images[:, 0], images[:, 2])
    # Of mirrored ones there are about as many as of others: the wide one lies left or right.
    columns = torch.arange(EDGE) + 0.5
    _, seen = views(pixels, marks, EDGE, np.random.default_rng(2))
    left = [float(((s == 1).float() * columns).sum() / (s == 1).sum()) < EDGE / 2 for s in seen]
    assert 5 <= sum(left) <= 19
    # Never upside down: "c" stays below "b".
    rows = columns[:, None]
    for one in seen:
        assert ((one == 3) * rows).sum() / (one == 3).sum() > ((one == 2) * rows).sum() / (one == 2).sum()


def test_views_follow_from_their_generator() -> None:
    found = stack()
    one, other, third = (views(found.pixels, found.marks, EDGE, np.random.default_rng(n)) for n in (5, 5, 6))
    assert torch.equal(one[0], other[0]) and torch.equal(one[1], other[1])
    assert not torch.equal(one[0], third[0])
    assert one[0].min() >= 0 and one[0].max() <= 1 and one[0].shape == (len(found), 3, EDGE, EDGE)


def test_curves_change_greys_one_by_one() -> None:
    found = stack()
    curves = torch.stack([torch.linspace(0, 1, 256).pow(0.5 + 0.3 * n) for n in range(len(found))])
    theta = torch.eye(2, 3).expand(len(found), 2, 3)
    images, _ = resampled(found.pixels, found.marks, (EDGE, EDGE), theta, curves)
    for number in range(len(found)):
        wanted = (found.pixels[number].float() / 255).pow(0.5 + 0.3 * number)
        torch.testing.assert_close(images[number], wanted, atol=1e-3, rtol=0)


# -- turned -----------------------------------------------------------------------------------------


def test_a_turned_picture_is_marked_by_new_numbers() -> None:
    rng = np.random.default_rng(0)
    boxes = [
        ("liver", (0, 0, 5, 30)),
        ("kidney", (20, 10, 40, 30)),
        ("aorta", (57, 30, 59, 39)),
        ("kidney", (44, 2, 52, 8)),
    ]
    whole = marked("one", boxes, small=("gut",))
    lost = 0
    for number in range(30):
        found = turned(whole, number, rng)
        facts = found.facts
        assert found.pixels.shape == whole.pixels.shape and facts.name == f"one/turned-{number}"
        assert (facts.patient, facts.dataset) == (whole.facts.patient, whole.facts.dataset)
        counts = np.bincount(found.marks.ravel(), minlength=len(facts.classes) + 1)
        assert (
            len(counts) == len(facts.classes) + 1 and (counts[1:] >= SMALLEST_SHARE * found.marks.size).all()
        )
        # Their order is kept, and what is in sight but too small is neither there nor absent.
        rest = iter(whole.facts.classes)
        assert all(name in rest for name in facts.classes)
        assert not set(facts.small) & set(facts.classes) and "gut" in facts.small
        lost += len(facts.classes) < 4
        # The middle one is always there: under its new number lies its own grey, whatever the exposure.
        middle = facts.classes.index("kidney") + 1
        grey = np.median(found.pixels[found.marks == middle])
        assert np.mean(np.abs(found.pixels[found.marks == middle].astype(int) - grey) < 3) > 0.75
    assert lost > 0


def test_what_is_nearly_moved_out_is_small_and_what_is_gone_is_absent() -> None:
    from sagittal.train.picture_views import _renumbered

    marks, facts = np.zeros((100, 100), np.uint8), marked("x", [(n, (0, 0, 1, 1)) for n in "abcd"]).facts
    marks[0, :10], marks[1, :9], marks[2, :50] = 1, 2, 4
    found, changed = _renumbered(marks, facts, 3)
    # A thousandth of the picture is ten pixels.
    assert changed.classes == ("a", "d") and changed.small == ("b",)
    np.testing.assert_array_equal(found == 1, marks == 1)
    np.testing.assert_array_equal(found == 2, marks == 4)
    assert set(np.unique(found)) == {0, 1, 2}


def test_turning_colours_keeps_them_apart() -> None:
    from sagittal.train.picture_bank import MarkedPicture

    grey = toys()[0]
    pixels = np.stack([grey.pixels, np.zeros_like(grey.pixels), grey.pixels], axis=-1)
    found = turned(MarkedPicture(pixels, grey.marks, grey.facts), 0, np.random.default_rng(1))
    assert found.pixels.shape == pixels.shape and not found.pixels[..., 1].any()
    np.testing.assert_array_equal(found.pixels[..., 0], found.pixels[..., 2])


# -- sampling ---------------------------------------------------------------------------------------


def test_modalities_are_drawn_by_their_shares() -> None:
    found = sampling(toys(), SHARES)
    assert found.sum() == pytest.approx(1)
    np.testing.assert_allclose(found, [0.7 / 3] * 3 + [0.2, 0.1])
    # Those that are not there leave their shares to the others.
    np.testing.assert_allclose(sampling(toys()[:4], SHARES), [0.7 / 0.9 / 3] * 3 + [0.2 / 0.9])
    with pytest.raises(KeyError):
        sampling(toys(), {"MRI": 1.0})
