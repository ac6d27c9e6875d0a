"""One compact lesion in a named place (VoxelPrompt §4.1, §5.3): a world in which every location class occurs.

Places are those of :mod:`sagittal.measure.places`: a lobe is a proportion of the cerebrum's box, in truth as
in the programs that are tested on it. The world tests finding and measuring, not the rule for lobes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from sagittal.measure.block import block_of, ras_view
from sagittal.measure.places import PLACES, Anatomy, places_at, territory_of
from sagittal.measure.proportions import LOBES
from sagittal.simulate.growth import Patch, patch_around, travel
from sagittal.simulate.lesions import FILL_ODDS, FILLS
from sagittal.simulate.plans import MM3_PER_ML, ball_radius
from sagittal.simulate.scene import Layer, Pathology, Scene, rank_of
from sagittal.simulate.tissues import structures
from sagittal.study import Mask

#: Volume of a lesion, mL, uniform in its logarithm; smaller where the place has no room for it.
SMALLEST_ML, LARGEST_ML = 0.6, 20.0
#: At least so much of a lesion lies in its place.
OWN_SHARE = 0.75
#: Speed at which it grows beyond its place, 1 inside: planes are no walls, those of a ventricle nearly are.
_LEAK, _LEAK_OF_FLUID = 0.2, 0.05
#: What skull stripping makes of a lesion: tissue that lies so deep, mm.
_KEPT_DEPTH_MM = -6.0
#: The angle's fluid is sought so far around the brainstem, and lies so deep or deeper, mm.
_AROUND_MM, _DEEPEST_MM = 26.0, 4.0
_ANGLE = "cerebellopontine angle"
#: Places full of fluid. What lies there is a mass: a multiple of fluid's signal may be no signal.
_FLUID = ("lateral ventricle", "fourth ventricle", _ANGLE)
_MASSES = {"solid_mass": 0.5, "nonenhancing_tumour": 0.25, "blood_subacute": 0.25}
#: What lesions of brain tissue are made of, half of the time; the other half are random fills (A.3).
_TISSUES = {
    "infarct_acute": 0.2, "infarct_subacute": 0.1, "infarct_chronic": 0.2, "blood_acute": 0.15,
    "blood_subacute": 0.1, "solid_mass": 0.25,
}  # fmt: skip
_CEREBRUM = (
    "white_matter", "cortex", "thalamus", "caudate", "putamen", "pallidum", "accumbens", "hippocampus",
    "amygdala", "ventral_dc",
)  # fmt: skip
_CEREBELLUM = ("cerebellar_white_matter", "cerebellar_cortex")
#: FreeSurfer values, for tissue does not tell the ventricles apart.
_LATERAL, _FOURTH = (4, 5, 43, 44), (15,)


def place_lesion(scene: Scene, kinds: tuple[str, ...]) -> Pathology:
    """One lesion in one of the places, each equally likely.

    Args:
        scene: the head.
        kinds: kinds of the study's images, for which random fills are drawn.

    Returns:
        Label 1; ``extra["place"]``, and ``extra["territory"]`` for lobes. Where the place is not in view
        there is no lesion, and both are ``None``.
    """
    draws = scene.draws
    found = Pathology(labels={1: "lesion"}, extra={"place": None, "territory": None})
    place = draws.choice(dict.fromkeys(PLACES, 1.0))
    ml = SMALLEST_ML * (LARGEST_ML / SMALLEST_ML) ** draws.uniform(0.0, 1.0)
    anatomy = anatomy_of(scene)
    centre = scene.pick(_site(scene, anatomy, place))
    if centre is None:
        return found
    patch, signed, allowed = _grown(scene, anatomy, place, centre, ml)
    found.layers, facts = _filled(scene, patch, signed, allowed, place, kinds)
    found.facts.append({"kind": "lesion", **facts})
    found.extra["place"] = place
    inside = (signed > 0) & allowed
    # Where fluid would be cut off, a mass is not: what is left of it must still lie in its place.
    scene.depth[patch.box][inside] = scene.depth[patch.box][inside].clamp(max=_KEPT_DEPTH_MM)
    if place in LOBES:
        data = np.zeros(scene.geometry.shape, dtype=np.uint8)
        data[patch.box] = inside.cpu().numpy()
        lesion = Mask(data, scene.geometry, {1: "lesion"})
        found.extra["territory"] = territory_of(lesion, anatomy.cerebrum)
    return found


def anatomy_of(scene: Scene) -> Anatomy:
    """The structures that places are told by."""

    def mask(*tissues: str, values: tuple[int, ...] = ()) -> Mask:
        member = np.isin(structures().values, values)
        member[structures().indices(*tissues)] = True
        return Mask(scene.where(member).cpu().numpy(), scene.geometry, {1: "structure"})

    return Anatomy(
        mask(*_CEREBRUM), mask(*_CEREBELLUM), mask("brainstem"), mask("choroid_plexus", values=_LATERAL),
        mask(values=_FOURTH),
    )  # fmt: skip


def _room(scene: Scene, place: str) -> Tensor:
    """(X, Y, Z) bool: what a lesion of a place may replace: brain tissue, and the fluid that the place is."""
    if place == _ANGLE:
        return scene.parenchyma | (scene.of_tissues("csf") & (scene.depth < _DEEPEST_MM))
    if place in _FLUID:
        return scene.parenchyma | scene.of_tissues("ventricle", "choroid_plexus")
    return scene.parenchyma


def _site(scene: Scene, anatomy: Anatomy, place: str) -> Tensor:
    """(X, Y, Z) bool: voxels that a lesion may start from; of a lobe, cortex and white matter."""
    if place in LOBES:
        among = scene.of_tissues("white_matter", "cortex") & (scene.depth < -2)
    elif place == _ANGLE:
        among = scene.of_tissues("csf") & (scene.depth < _DEEPEST_MM) & _near(scene, anatomy.brainstem)
    else:
        among = _room(scene, place)
    return _in_place(scene, anatomy, place, among)


def _near(scene: Scene, mask: Mask) -> Tensor:
    """(X, Y, Z) bool: a box around a structure."""
    box = torch.zeros(mask.shape, dtype=torch.bool, device=scene.labels.device)
    if mask.data.any():
        block = block_of(mask, "structure")
        reach = [int(np.ceil(_AROUND_MM / s)) for s in scene.spacing]
        spans = zip(block.start, block.stop, reach, strict=True)
        box[tuple(slice(max(0, a - r), b + r) for a, b, r in spans)] = True
    return box


def _in_place(scene: Scene, anatomy: Anatomy, place: str, among: Tensor) -> Tensor:
    """(X, Y, Z) bool: which voxels of a mask lie in a place."""
    out = np.zeros(scene.geometry.shape, dtype=bool)
    if bool(among.any()):
        block = block_of(Mask(among.cpu().numpy(), scene.geometry, {1: "among"}), "among")
        codes = np.concatenate(list(places_at(block, anatomy)))
        box = tuple(slice(a, b) for a, b in zip(block.start, block.stop, strict=True))
        ras_view(out[box], scene.geometry)[block.inside] = codes == PLACES.index(place)
    return torch.from_numpy(out).to(scene.labels.device)


def _grown(
    scene: Scene, anatomy: Anatomy, place: str, centre: tuple[int, int, int], ml: float
) -> tuple[Patch, Tensor, Tensor]:
    """A front from a voxel, fast in the place and slow beyond, stopped where it has its volume.

    It stops earlier where more of it would lie outside of the place than :data:`OWN_SHARE` leaves.

    Returns:
        The patch; (x, y, z) float32 signed distance (about), positive inside; (x, y, z) bool what it may
        replace.
    """
    radius = ball_radius(ml)
    patch = patch_around(scene, centre, 2.0 * radius + 8)
    room = _room(scene, place)
    nearby = torch.zeros_like(room)
    nearby[patch.box] = room[patch.box]
    own, allowed = _in_place(scene, anatomy, place, nearby)[patch.box], room[patch.box]
    shape, limit = tuple(patch.labels.shape), 3.0 * radius + 12.0
    noise = 0.35 * scene.noise(shape, patch.spacing, max(5.0, 0.9 * radius))
    speed = torch.where(own, 1.0, _LEAK_OF_FLUID if place in _FLUID else _LEAK) * allowed
    start = torch.full(shape, limit, device=speed.device)
    start[tuple(round((c - b.start) / k) for c, b, k in zip(centre, patch.box, patch.steps, strict=True))] = (
        0.0
    )
    time = patch.fill_in(travel(patch.on_work(speed) * torch.exp(noise), start, patch.spacing, limit))
    reached = allowed & (time < limit)
    times, order = time[reached].sort(stable=True)
    most = round(ml * MM3_PER_ML / scene.geometry.voxel_volume)
    shares = own[reached][order].double().cumsum(0) / torch.arange(1, len(times) + 1, device=times.device)
    fitting = (shares[:most] >= OWN_SHARE).nonzero()[:, 0]
    last = int(fitting[-1]) if len(fitting) else 0
    # Halfway to the next voxel, and short of those that the front has not reached.
    beyond = float(times[last + 1]) if last + 1 < len(times) else limit
    return patch, (float(times[last]) + beyond) / 2 - time, allowed


def _filled(
    scene: Scene, patch: Patch, signed: Tensor, allowed: Tensor, place: str, kinds: tuple[str, ...]
) -> tuple[list[Layer], dict[str, Any]]:
    """A known tissue, or signals relative to what was there, image by image, with another geometry inside."""
    draws = scene.draws

    def soft(inside: Tensor) -> Tensor:
        return torch.sigmoid(inside / (0.35 * min(scene.spacing))) * allowed

    if place in _FLUID or draws.chance(0.5):
        tissue = draws.choice(_MASSES if place in _FLUID else _TISSUES)
        layer = Layer(patch.box, soft(signed), tissue, 1, 1, rank_of("mass"), outside=place in _FLUID)
        return [layer], {"tissue": tissue}
    fills = [draws.choice(FILL_ODDS) for _ in kinds]
    layers = [_relative(patch, soft(signed), [draws.uniform(*FILLS[fill]) for fill in fills], "mass", 1)]
    if draws.chance(0.6):
        inner = soft(signed - draws.uniform(0.3, 0.7) * signed.max())
        layers.append(_relative(patch, inner, [draws.lognormal(1.0, 0.25) for _ in kinds], "inner", 0))
    return layers, {"fill": dict(zip(kinds, fills, strict=True))}


def _relative(patch: Patch, fraction: Tensor, ratios: list[float], rank: str, label: int) -> Layer:
    relative = torch.tensor(ratios, dtype=torch.float32, device=fraction.device)
    return Layer(patch.box, fraction, "", label, 1, rank_of(rank), relative=relative)
