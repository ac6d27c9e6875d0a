"""Gliomas before and after treatment, metastases, meningiomas: how they grow and what they consist of.

Fronts (:mod:`sagittal.simulate.growth`) give the core and the swelling their shapes; noise on thickness and
speed gives rims that are thick here and open there, and swelling with fingers along the white matter. Labels
are those of BraTS: 1 NETC, 2 SNFH, 3 ET and, after treatment, 4 RC.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sagittal.simulate.fields import blur
from sagittal.simulate.growth import Patch, patch_around, threshold_for, travel
from sagittal.simulate.plans import MM3_PER_ML, Plan, ball_radius
from sagittal.simulate.scene import Layer, Scene, rank_of
from sagittal.simulate.tissues import structures, tissues

NETC, SNFH, ET, RC = 1, 2, 3, 4
#: Speed of a growing core and of spreading oedema in each tissue; tissues not named block both.
_CORE_SPEED = {
    "white_matter": 1.0, "cortex": 0.7, "thalamus": 0.8, "caudate": 0.7, "putamen": 0.75, "pallidum": 0.8,
    "accumbens": 0.7, "hippocampus": 0.7, "amygdala": 0.8, "ventral_dc": 0.7, "brainstem": 0.6,
    "cerebellar_white_matter": 1.0, "cerebellar_cortex": 0.7, "choroid_plexus": 0.2,
}  # fmt: skip
_SWELLING_SPEED = {
    "white_matter": 1.0, "cortex": 0.16, "thalamus": 0.35, "caudate": 0.25, "putamen": 0.3, "pallidum": 0.45,
    "accumbens": 0.25, "hippocampus": 0.3, "amygdala": 0.35, "ventral_dc": 0.4, "brainstem": 0.5,
    "cerebellar_white_matter": 1.0, "cerebellar_cortex": 0.3,
}  # fmt: skip


def grow(scene: Scene, plan: Plan, number: int) -> tuple[list[Layer], dict[str, Any]]:
    """The layers of one planned lesion.

    Args:
        scene: the head with mass effects applied.
        plan: what to grow.
        number: number of the lesion, from 1.

    Returns:
        Layers, and the lesion's facts before measuring.
    """
    patch = patch_around(scene, plan.centre, plan.reach_mm)
    front = core_front(scene, plan, patch)
    allowed = scene.parenchyma[patch.box]
    if plan.pattern in ("cavity", "dural"):
        # Cavities open into fluid, and meningiomas lie in it: everything inside the skull is allowed.
        allowed = scene.depth[patch.box] < (0.0 if plan.pattern == "cavity" else 1.5)
    fine = patch.fill_in(front)
    radius = threshold_for(fine, allowed, _voxels(plan.core_ml, scene))
    core = _soft(radius - fine, scene) * allowed
    depth = _depth_inside(front, radius, patch, limit=min(40.0, 1.3 * plan.radius_mm + 4.0))
    pieces = {
        "ring": _ring,
        "solid": _ring,
        "patchy": _patchy,
        "dull": _dull,
        "cavity": _cavity,
        "dural": _dural,
    }[plan.pattern](scene, plan, patch, core, depth, front - radius)
    layers = [
        Layer(patch.box, fraction, tissue, label, number, rank_of(rank), outside=outside)
        for tissue, label, rank, fraction, outside in pieces
    ]
    if plan.swelling_ml > 0:
        layers.append(_swelling(scene, plan, patch, front, radius, core, number))
    return layers, {"kind": plan.kind, "pattern": plan.pattern}


#: Component: tissue, label, rank, fraction, whether it replaces fluid too.
_Piece = tuple[str, int, str, Tensor, bool]


def _voxels(ml: float, scene: Scene) -> int:
    return max(1, round(ml * MM3_PER_ML / scene.geometry.voxel_volume))


def _soft(signed_mm: Tensor, scene: Scene, width: float = 0.35) -> Tensor:
    """Share of a voxel that lies inside, from the signed distance to a surface (positive inside)."""
    return torch.sigmoid(signed_mm / (width * min(scene.spacing)))


def _speed(patch: Patch, table: dict[str, float], roughness: Tensor) -> Tensor:
    names, lookup = tissues(), structures()
    by_class = torch.zeros(len(names.names))
    for name, value in table.items():
        by_class[names.index(name)] = value
    per_structure = by_class[torch.as_tensor(lookup.tissue)].to(patch.labels.device)
    speed = per_structure.index_select(0, patch.labels.reshape(-1).int()).reshape(patch.labels.shape)
    return speed * roughness


def core_front(scene: Scene, plan: Plan, patch: Patch) -> Tensor:
    """Arrival time of the core's front on the patch's work grid, in mm at full speed."""
    shape, spacing = tuple(patch.labels.shape), patch.spacing
    scale = max(6.0, plan.radius_mm)
    rough = {"cavity": 0.3, "dural": 0.2}.get(plan.pattern, 0.25 if plan.kind == "metastasis" else 0.5)
    noise = rough * scene.noise(shape, spacing, 0.9 * scale) + 0.5 * rough * scene.noise(shape, spacing, 5.0)
    if plan.pattern == "cavity":
        speed = torch.ones_like(noise)
    elif plan.pattern == "dural":
        speed = (
            scene.depth[patch.box][:: patch.steps[0], :: patch.steps[1], :: patch.steps[2]] < 1.5
        ).float()
    else:
        speed = _speed(patch, _CORE_SPEED, torch.ones_like(noise))
    limit = 3.0 * plan.radius_mm + 12.0
    start = _sources(scene, plan, patch, limit, lobes=1 if plan.kind == "metastasis" else 3)
    time = travel(speed * torch.exp(noise), start, spacing, limit)
    return _smoothed(time, limit)


def _sources(scene: Scene, plan: Plan, patch: Patch, limit: float, lobes: int) -> Tensor:
    """Start times: exact distances around the centre, and around a few lobes nearby that start later."""
    centre = [(c - b.start) / k for c, b, k in zip(plan.centre, patch.box, patch.steps, strict=True)]
    start = torch.full(patch.labels.shape, limit, device=patch.labels.device)
    for lobe in range(scene.draws.integer(1, lobes + 1)):
        place, delay = list(centre), 0.0
        if lobe:
            reach = 0.8 * plan.radius_mm
            place = [
                c + scene.draws.uniform(-reach, reach) / s for c, s in zip(centre, patch.spacing, strict=True)
            ]
            delay = scene.draws.uniform(0.0, 0.5) * plan.radius_mm
        axes = [
            ((torch.arange(n, device=start.device) - p) * s)
            .square()
            .reshape([-1 if a == k else 1 for a in range(3)])
            for k, (n, p, s) in enumerate(zip(start.shape, place, patch.spacing, strict=True))
        ]
        distance = (axes[0] + axes[1] + axes[2]).sqrt()
        near = distance < 1.6 * max(patch.spacing)
        start = torch.where(near, torch.minimum(start, distance + delay), start)
    return start


def _smoothed(time: Tensor, limit: float) -> Tensor:
    """Carry times a voxel into what blocks, so that interpolation at walls does not shrink the lesion."""
    from torch.nn.functional import max_pool3d

    nearby = -max_pool3d(-time[None, None], 3, 1, 1)[0, 0]
    filled = torch.where(time >= limit, (nearby + 1.0).clamp(max=limit), time)
    return blur(filled[None], (0.5, 0.5, 0.5))[0]


def _depth_inside(front: Tensor, radius: float, patch: Patch, limit: float) -> Tensor:
    """Distance from the core's surface inwards, mm, at most ``limit``, on the box; 0 outside."""
    step = max(patch.spacing)
    inside = front < radius
    start = torch.where(inside, torch.full_like(front, limit), (radius - front).clamp(min=-step))
    depth = travel(torch.ones_like(front), start, patch.spacing, limit)
    return patch.fill_in(blur(depth[None], (0.5, 0.5, 0.5))[0]).clamp(min=0)


def _ring(scene: Scene, plan: Plan, patch: Patch, core: Tensor, depth: Tensor, front: Tensor) -> list[_Piece]:
    """An enhancing rim of uneven thickness, open in places, around necrosis; or a nearly solid mass."""
    draws = scene.draws
    shape, spacing = tuple(core.shape), scene.spacing
    if plan.pattern == "solid":
        thickness = draws.uniform(0.7, 1.6) * plan.radius_mm
        gap = -9.0
    else:
        thickness = min(draws.lognormal(3.6, 0.4), 0.55 * plan.radius_mm)
        gap = draws.uniform(-2.6, -0.7)
    knots = (max(4.0, 0.7 * plan.radius_mm), max(6.0, 1.1 * plan.radius_mm))
    uneven = torch.exp(0.45 * scene.noise(shape, spacing, knots[0]) + 0.2 * scene.noise(shape, spacing, 4.0))
    open_here = torch.sigmoid((scene.noise(shape, spacing, knots[1]) - gap) * 5)
    rim_depth = thickness * uneven * open_here
    rim = core * _soft(rim_depth - depth, scene)
    inner = core * _soft(depth - rim_depth - 0.4 * scene.spacing[0], scene)
    middle = "nonenhancing_tumour" if plan.kind != "metastasis" else "necrosis"
    return [
        (middle, NETC, "mass", core, False),
        ("necrosis", NETC, "inner", inner, False),
        ("enhancing_tumour", ET, "rim", rim, False),
    ]


def _patchy(
    scene: Scene, plan: Plan, patch: Patch, core: Tensor, depth: Tensor, front: Tensor
) -> list[_Piece]:
    """A non-enhancing mass with islands of enhancement, some with necrosis."""
    shape, spacing = tuple(core.shape), scene.spacing
    islands = scene.noise(shape, spacing, max(5.0, 0.55 * plan.radius_mm))
    level = scene.draws.uniform(0.3, 1.3)
    bright = core * torch.sigmoid((islands - level) * 7)
    dead = bright * torch.sigmoid((islands - level - 0.9) * 8)
    return [
        ("nonenhancing_tumour", NETC, "mass", core, False),
        ("enhancing_tumour", ET, "rim", bright, False),
        ("necrosis", NETC, "spot", dead, False),
    ]


def _dull(scene: Scene, plan: Plan, patch: Patch, core: Tensor, depth: Tensor, front: Tensor) -> list[_Piece]:
    """No enhancement. Readers call it core or FLAIR abnormality: both occur."""
    label = NETC if scene.draws.chance(0.5) else SNFH
    pieces: list[_Piece] = [("nonenhancing_tumour", label, "mass", core, False)]
    if scene.draws.chance(0.3):
        cystic = scene.noise(tuple(core.shape), scene.spacing, max(5.0, 0.6 * plan.radius_mm))
        pieces.append(("necrosis", label, "inner", core * torch.sigmoid((cystic - 1.0) * 7), False))
    return pieces


def _dural(
    scene: Scene, plan: Plan, patch: Patch, core: Tensor, depth: Tensor, front: Tensor
) -> list[_Piece]:
    return [("solid_mass", ET, "rim", core, True)]


def _cavity(
    scene: Scene, plan: Plan, patch: Patch, core: Tensor, depth: Tensor, front: Tensor
) -> list[_Piece]:
    """Fluid, with or without nodules of enhancing tumour, dull tumour and old blood on its wall."""
    draws = scene.draws
    pieces: list[_Piece] = [("cavity", RC, "inner", core, True)]
    outside = patch.fill_in(front).clamp(min=0)
    shape, spacing = tuple(core.shape), scene.spacing
    free = 1 - core
    if draws.chance(0.8):
        reach = draws.lognormal(4.5, 0.5)
        nodules = (scene.noise(shape, spacing, draws.uniform(7, 16)) - draws.uniform(-0.4, 0.9)).clamp(
            -1.0, 1.6
        )
        bright = free * _soft(reach * nodules - outside, scene)
        pieces.append(("enhancing_tumour", ET, "rim", bright, False))
        if draws.chance(0.4):
            dead = (scene.noise(shape, spacing, 7.0) - draws.uniform(0.3, 1.2)) * 3
            pieces.append(("necrosis", NETC, "spot", bright * _soft(dead, scene, 0.5), False))
    if draws.chance(0.35):
        reach = draws.lognormal(5.0, 0.4)
        lumps = scene.noise(shape, spacing, 14.0) - draws.uniform(0.4, 1.2)
        pieces.append(
            ("nonenhancing_tumour", NETC, "mass", free * _soft(reach * lumps - outside, scene), False)
        )
    if draws.chance(0.3):
        thin = draws.uniform(0.5, 1.5) * (scene.noise(shape, spacing, 10.0) > 0)
        pieces.append(("blood_subacute", 0, "spot", 0.6 * free * _soft(thin - outside, scene), False))
    return pieces


def _swelling(
    scene: Scene, plan: Plan, patch: Patch, front: Tensor, radius: float, core: Tensor, number: int
) -> Layer:
    """Oedema and infiltration along the white matter, fading outwards."""
    shape, spacing = tuple(front.shape), patch.spacing
    noise = 0.45 * scene.noise(shape, spacing, 15.0) + 0.3 * scene.noise(shape, spacing, 6.0)
    speed = _speed(patch, _SWELLING_SPEED, torch.exp(noise))
    inside = front < radius
    speed = torch.where(inside, torch.ones_like(speed), speed)
    limit = 2.2 * ball_radius(plan.core_ml + plan.swelling_ml) + 15.0
    start = torch.where(inside, torch.zeros_like(front), (front - radius).clamp(min=0))
    near = inside | (front < radius + 1.5 * max(spacing))
    time = _smoothed(travel(speed, torch.where(near, start, limit), spacing, limit), limit)
    fine = patch.fill_in(time)
    free = scene.parenchyma[patch.box] & (core <= 0.5)
    edge = threshold_for(fine, free, _voxels(plan.swelling_ml, scene))
    edge = min(edge, 0.97 * limit, patch.least_at_border(fine, scene))
    fraction = _soft(edge - fine, scene, width=0.5)
    # Dense oedema near the core, thinner infiltration further out, and patches of either.
    fade = scene.draws.uniform(0.85, 1.2) - scene.draws.uniform(0.2, 0.65) * (fine / edge).clamp(0, 1) ** 2
    fade += 0.2 * scene.noise(tuple(fine.shape), scene.spacing, 9.0)
    strength = torch.where(fraction > 0.5, fade.clamp(0.4, 1.0), torch.full_like(fade, 0.4))
    return Layer(patch.box, fraction, "oedema", SNFH, number, rank_of("swelling"), strength=strength)
