"""Lesions that are no tumours: random ones (VoxelPrompt A.3), white-matter lesions, infarcts, cysts, blood.

A.3: a target anatomy is chosen, then a sphere inside it; ellipsoids of random place, turn and size within the
sphere are joined, grown or shrunk, and bent; the fill is brighter than, darker than or like the tissue around
it, image by image; a second geometry inside makes it heterogeneous.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sagittal.simulate.growth import Patch, patch_around, travel
from sagittal.simulate.scene import Layer, Pathology, Scene, rank_of

#: Target anatomies, by how often they are chosen.
_TARGETS = {
    "white_matter": 0.4, "cortex": 0.2, "thalamus": 0.06, "putamen": 0.06, "caudate": 0.04,
    "hippocampus": 0.04,
    "brainstem": 0.06, "cerebellar_cortex": 0.07, "cerebellar_white_matter": 0.05, "ventricle": 0.02,
}  # fmt: skip
#: How a random lesion looks next to its surroundings: range of the ratio of signals.
FILLS = {"hyper": (1.25, 2.4), "hypo": (0.25, 0.78), "iso": (0.97, 1.03)}
FILL_ODDS = {"hyper": 0.5, "hypo": 0.35, "iso": 0.15}


def ellipsoid_cluster(scene: Scene, patch: Patch, centre: tuple[int, int, int], radius: float) -> Tensor:
    """Signed distance (about, mm; positive inside) of joined ellipsoids in a ball, bent and resized.

    Args:
        patch: box around the ball; worked out at every voxel of it.
        centre: middle of the ball, a voxel.
        radius: of the ball, mm.
    """
    draws, device = scene.draws, scene.labels.device
    shape, spacing = patch.shape, scene.spacing
    axes = [
        (torch.arange(n, device=device) + b.start - c) * s
        for n, b, c, s in zip(shape, patch.box, centre, spacing, strict=True)
    ]
    points = torch.stack(torch.meshgrid(*axes, indexing="ij")).reshape(3, -1)
    bend = draws.uniform(0.1, 0.3) * radius
    points = points + bend * torch.stack(
        [scene.noise(shape, spacing, max(4.0, 0.8 * radius)).reshape(-1) for _ in range(3)]
    )
    best = torch.full((points.shape[1],), -1e3, device=device)
    for _ in range(draws.integer(2, 6)):
        half = torch.tensor([draws.uniform(0.25, 0.7) * radius for _ in range(3)], dtype=torch.float32)
        free = max(0.0, radius - float(half.max()))
        offset = torch.nn.functional.normalize(draws.rows(3), dim=0).float() * draws.uniform(0, free)
        turn = torch.linalg.qr(draws.rows(3, 3)).Q.float()
        local = (turn.to(device) @ (points - offset.to(device)[:, None])) / half.to(device)[:, None]
        best = torch.maximum(best, (1 - local.norm(dim=0)) * float(half.min()))
    resize = draws.uniform(-0.12, 0.18) * radius
    return best.reshape(shape) + resize


def _soft(signed: Tensor, scene: Scene) -> Tensor:
    return torch.sigmoid(signed / (0.35 * min(scene.spacing)))


def random_lesion(scene: Scene, kinds: tuple[str, ...], number: int) -> tuple[list[Layer], dict] | None:
    """One lesion of A.3: anatomy, shape and fill all random.

    Args:
        kinds: kinds of the study's images, for which fills are drawn.
        number: number of the lesion, from 1.

    Returns:
        Layers and facts; ``None`` when the target anatomy is not in view.
    """
    draws = scene.draws
    target = draws.choice(_TARGETS)
    centre = scene.pick(scene.of_tissues(target) & (scene.depth < -2))
    if centre is None:
        return None
    radius = min(28.0, max(3.0, draws.lognormal(9.0, 0.5)))
    patch = patch_around(scene, centre, 1.4 * radius + 6)
    signed = ellipsoid_cluster(scene, patch, centre, radius)
    fills, ratios = [], []
    for _ in kinds:
        fill = draws.choice(FILL_ODDS)
        fills.append(fill)
        ratios.append(draws.uniform(*FILLS[fill]))
    device = scene.labels.device
    relative = torch.tensor(ratios, dtype=torch.float32, device=device)
    whole = _soft(signed, scene)
    layers = [Layer(patch.box, whole, "", 1, number, rank_of("mass"), relative=relative)]
    if draws.chance(0.6):
        inner = _soft(ellipsoid_cluster(scene, patch, centre, 0.6 * radius), scene) * whole
        shift = torch.tensor([draws.lognormal(1.0, 0.25) for _ in kinds], dtype=torch.float32, device=device)
        layers.append(Layer(patch.box, inner, "", 0, number, rank_of("inner"), relative=shift))
    return layers, {"kind": "lesion", "target": target, "fill": dict(zip(kinds, fills, strict=True))}


def _profiled(
    scene: Scene, number: int, kind: str, tissue: str, radius: float, site: Tensor, rim: str = ""
) -> tuple[list[Layer], dict] | None:
    """A lesion with the look of a known tissue, with a rim of another where one is named."""
    centre = scene.pick(site)
    if centre is None:
        return None
    patch = patch_around(scene, centre, 1.5 * radius + 8)
    signed = ellipsoid_cluster(scene, patch, centre, radius)
    whole = _soft(signed, scene)
    layers = [Layer(patch.box, whole, tissue, 1, number, rank_of("inner"))]
    if rim:
        wide = _soft(signed + scene.draws.uniform(1.5, 4.5), scene)
        layers.append(Layer(patch.box, wide, rim, 0, number, rank_of("swelling"),
                            strength=torch.full_like(wide, 0.8)))  # fmt: skip
    return layers, {"kind": kind}


def infarct(scene: Scene, number: int) -> tuple[list[Layer], dict] | None:
    """Acute (restricted diffusion), subacute (enhancing) or chronic (fluid with a gliotic rim)."""
    draws = scene.draws
    phase = draws.choice({"acute": 0.45, "subacute": 0.2, "chronic": 0.35})
    small = draws.chance(0.45)
    radius = draws.uniform(3, 8) if small else draws.uniform(10, 32)
    site = scene.of_tissues("white_matter", "putamen", "thalamus", "brainstem") if small else (
        scene.of_tissues("cortex", "cerebellar_cortex") & (scene.depth > -14))  # fmt: skip
    rim = "gliosis" if phase == "chronic" else ""
    return _profiled(scene, number, f"{phase} infarct", f"infarct_{phase}", radius, site, rim)


def cyst(scene: Scene, number: int) -> tuple[list[Layer], dict] | None:
    """Fluid outside brain tissue, arachnoid: it lies at the surface and pushes nothing."""
    draws = scene.draws
    site = scene.of_tissues("csf", "cortex") & (scene.depth < 0) & (scene.depth > -8)
    made = _profiled(scene, number, "cyst", "cyst", draws.uniform(7, 24), site)
    if made is not None:
        for layer in made[0]:
            layer.outside = True
            layer.fraction = layer.fraction * (scene.depth[layer.box] < 1)
    return made


def haemorrhage(scene: Scene, number: int) -> tuple[list[Layer], dict] | None:
    """Blood in the brain, acute or subacute, in oedema."""
    draws = scene.draws
    phase = draws.choice({"acute": 0.6, "subacute": 0.4})
    site = scene.of_tissues("putamen", "thalamus", "white_matter", "cerebellar_white_matter")
    return _profiled(
        scene, number, f"{phase} haemorrhage", f"blood_{phase}", draws.uniform(5, 20), site, "oedema"
    )


def plan_lesions(scene: Scene, kinds: tuple[str, ...]) -> Pathology:
    """One to four lesions of any kind, label 1."""
    draws = scene.draws
    found = Pathology(labels={1: "lesion"})
    for _ in range(1 + int(draws.chance(0.4)) + 2 * int(draws.chance(0.15))):
        number = len(found.facts) + 1
        sort = draws.choice({"random": 0.5, "infarct": 0.22, "cyst": 0.12, "haemorrhage": 0.16})
        if sort == "random":
            made = random_lesion(scene, kinds, number)
        else:
            made = {"infarct": infarct, "cyst": cyst, "haemorrhage": haemorrhage}[sort](scene, number)
        if made is not None:
            found.layers += made[0]
            found.facts.append(made[1])
    return found


def white_matter_lesions(scene: Scene) -> Pathology:
    """White-matter hyperintensities: caps and rims at the lateral ventricles, and deep spots."""
    draws = scene.draws
    found = Pathology(labels={1: "WMH"}, facts=[{"kind": "white-matter hyperintensities"}])
    load = draws.lognormal(1.0, 0.5)
    tissue = scene.of_tissues("white_matter")
    found.layers.append(_periventricular(scene, tissue, load))
    found.layers.append(_deep_spots(scene, tissue, load))
    return found


def _whole(scene: Scene) -> Patch:
    centre = [n // 2 for n in scene.labels.shape]
    return patch_around(
        scene, centre, max(n * s for n, s in zip(scene.labels.shape, scene.spacing, strict=True))
    )


def _periventricular(scene: Scene, tissue: Tensor, load: float) -> Layer:
    patch = _whole(scene)
    draws = scene.draws
    limit = 16.0
    wall = patch.on_work(scene.of_tissues("ventricle"))
    speed = patch.on_work(tissue | scene.of_tissues("caudate")).float()
    start = torch.where(wall, 0.0, limit)
    distance = patch.fill_in(travel(speed, start, patch.spacing, limit))
    uneven = scene.noise(patch.shape, scene.spacing, 16.0) + 0.4 * scene.noise(
        patch.shape, scene.spacing, 6.0
    )
    thickness = draws.uniform(1.0, 4.5) * load * (0.7 + uneven).clamp(-0.5, 2.2)
    fraction = _soft(thickness - distance + 0.5, scene) * tissue * (distance < limit)
    return Layer(patch.box, fraction, "white_matter_lesion", 1, 1, rank_of("swelling"),
                 strength=_patchiness(scene, patch))  # fmt: skip


def _deep_spots(scene: Scene, tissue: Tensor, load: float) -> Layer:
    patch = _whole(scene)
    draws = scene.draws
    spots = scene.noise(patch.shape, scene.spacing, draws.uniform(4.5, 8.0))
    spots = spots + 0.7 * scene.noise(patch.shape, scene.spacing, 25.0)
    deep = tissue & (scene.depth < -9)
    level = 3.4 - 0.75 * math.log1p(load) - draws.uniform(0, 0.5)
    return Layer(patch.box, torch.sigmoid((spots - level) * 7) * deep, "white_matter_lesion", 1, 1,
                 rank_of("mass"), strength=_patchiness(scene, patch))  # fmt: skip


def _patchiness(scene: Scene, patch: Patch) -> Tensor:
    return (0.85 + 0.15 * scene.noise(patch.shape, scene.spacing, 7.0)).clamp(0.55, 1.0)
