"""What grows where: tumours are planned before they are grown, for their mass effect moves the head first."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from sagittal.simulate.scene import Scene

MM3_PER_ML = 1000.0


@dataclass(frozen=True)
class Plan:
    """One lesion before it is grown.

    Attributes:
        kind: word for the facts: ``glioblastoma``, ``metastasis``, …
        pattern: how the core is built: ``ring``, ``solid``, ``patchy``, ``dull`` (no enhancement),
            ``cavity``, ``dural``.
        centre: voxel it starts from.
        core_ml: volume of the core (of the cavity, for ``cavity``).
        swelling_ml: volume of the swelling; 0 for none.
        push: strength of the mass effect (:func:`sagittal.simulate.deform.push`); 0 for none.
        shape_ml: core volume that the scale of shapes follows, where it differs: that of the larger date.
    """

    kind: str
    pattern: str
    centre: tuple[int, int, int]
    core_ml: float
    swelling_ml: float
    push: float
    shape_ml: float = 0.0

    @property
    def radius_mm(self) -> float:
        """Radius of a ball of the core's volume (of ``shape_ml``, where that is given)."""
        return ball_radius(self.shape_ml or self.core_ml)

    @property
    def reach_mm(self) -> float:
        """Radius within which everything of the lesion lies."""
        share = (self.shape_ml or self.core_ml) / self.core_ml
        return max(12.0, 1.9 * ball_radius(share * (self.core_ml + self.swelling_ml)) + 8.0)


def ball_radius(ml: float) -> float:
    return (3 * ml * MM3_PER_ML / (4 * math.pi)) ** (1 / 3)


def plan_tumours(scene: Scene, pathology: str) -> list[Plan]:
    """Draw what grows where.

    Args:
        scene: the head before any mass effect.
        pathology: ``gli``, ``pre``, ``met`` or ``goat``.
    """
    if pathology == "goat":
        pathology = scene.draws.choice({"pre": 0.5, "met": 0.25, "dural": 0.15, "fossa": 0.1})
    makers = {"pre": _plan_glioma, "gli": _plan_treated, "met": _plan_metastases,
              "dural": _plan_meningioma, "fossa": _plan_fossa}  # fmt: skip
    plans = makers[pathology](scene)
    return [p for p in plans if p is not None]


def _glioma_site(scene: Scene) -> Tensor:
    """Mostly cerebral white matter; sometimes deep grey matter."""
    if scene.draws.chance(0.12):
        return scene.of_tissues("thalamus", "putamen", "caudate", "brainstem", "hippocampus")
    return scene.of_tissues("white_matter") & (scene.depth < -7)


def _plan_glioma(scene: Scene) -> list[Plan | None]:
    draws = scene.draws
    pattern = draws.choice({"ring": 0.55, "solid": 0.13, "patchy": 0.17, "dull": 0.15})
    core = min(100.0, max(0.6, draws.lognormal(20.0, 0.85)))
    swelling = min(160.0, core * draws.lognormal(1.6, 0.7) + draws.uniform(2, 18))
    if pattern == "dull":
        swelling = core * draws.uniform(0.0, 0.8)
    push = draws.uniform(0.0, 0.4)
    kind = "low-grade glioma" if pattern == "dull" else "glioblastoma"
    plans = [_at(scene, _glioma_site(scene), kind, pattern, core, swelling, push)]
    if pattern in ("ring", "solid") and draws.chance(0.12):
        core = draws.lognormal(2.0, 0.6)
        plans.append(_at(scene, _glioma_site(scene), kind, pattern, core, core * draws.uniform(0.5, 2), 0.0))
    return plans


def _plan_treated(scene: Scene) -> list[Plan | None]:
    """After treatment: a resection cavity with or without recurrence, or a tumour that was not resected."""
    draws = scene.draws
    if draws.chance(0.3):
        return _plan_glioma(scene)
    cavity = min(70.0, max(0.5, draws.lognormal(11.0, 0.8)))
    swelling = min(170.0, draws.lognormal(32.0, 0.7))
    site = scene.of_tissues("white_matter", "cortex") & (scene.depth < -6) & (scene.depth > -32)
    site &= ~_posterior_fossa(scene)
    plans = [_at(scene, site, "treated glioma", "cavity", cavity, swelling, 0.0)]
    if plans[0] is not None and draws.chance(0.3):
        # A recurrence of its own, within a few centimetres of the cavity.
        near = _near(scene, plans[0].centre, ball_radius(cavity) + 6, ball_radius(cavity) + 30)
        core = draws.lognormal(4.0, 0.8)
        pattern = draws.choice({"ring": 0.5, "solid": 0.3, "patchy": 0.2})
        plans.append(_at(scene, near & scene.of_tissues("white_matter"), "recurrent glioma", pattern,
                         core, core * draws.uniform(0.3, 2.0), draws.uniform(0, 0.2)))  # fmt: skip
    return plans


def _plan_metastases(scene: Scene) -> list[Plan | None]:
    """One to a dozen, most small, at the border of grey and white matter."""
    draws = scene.draws
    count = 1 + min(11, int(-math.log(1 - draws.uniform(0, 0.97)) * 2.6))
    plans = []
    for _ in range(count):
        radius = min(22.0, max(1.6, draws.lognormal(5.0, 0.65)))
        core = 4 / 3 * math.pi * radius**3 / MM3_PER_ML
        swelling = core * draws.lognormal(2.5, 0.8) if radius > 3.5 and draws.chance(0.75) else 0.0
        fossa = scene.of_tissues("cerebellar_white_matter", "cerebellar_cortex")
        shallow = (scene.depth < -3) & (scene.depth > -18)
        site = fossa if draws.chance(0.2) else shallow & scene.of_tissues("white_matter", "cortex")
        pattern = "ring" if radius > 5.5 and draws.chance(0.65) else "solid"
        plans.append(_at(scene, site, "metastasis", pattern, core, min(swelling, 120.0),
                         draws.uniform(0, 0.3) if radius > 8 else 0.0))  # fmt: skip
    return plans


def _plan_meningioma(scene: Scene) -> list[Plan | None]:
    draws = scene.draws
    core = min(60.0, draws.lognormal(14.0, 0.8))
    swelling = core * draws.uniform(0.2, 2.0) if draws.chance(0.5) else 0.0
    # Its middle lies so deep that its outer side reaches the dura.
    reach = 0.75 * ball_radius(core)
    site = (scene.depth < -0.8 * reach) & (scene.depth > -1.2 * reach - scene.spacing[0])
    return [
        _at(scene, site & scene.parenchyma, "meningioma", "dural", core, swelling, draws.uniform(0.1, 0.35))
    ]


def _plan_fossa(scene: Scene) -> list[Plan | None]:
    """Tumours of childhood: brainstem, cerebellum, thalamus; solid or dull."""
    draws = scene.draws
    core = min(50.0, draws.lognormal(14.0, 0.6))
    pattern = draws.choice({"solid": 0.4, "patchy": 0.3, "dull": 0.3})
    site = scene.of_tissues("brainstem", "cerebellar_white_matter", "thalamus")
    return [
        _at(
            scene,
            site,
            "midline glioma",
            pattern,
            core,
            core * draws.uniform(0.0, 0.8),
            draws.uniform(0, 0.3),
        )
    ]


def _at(
    scene: Scene, site: Tensor, kind: str, pattern: str, core: float, swelling: float, push: float
) -> Plan | None:
    centre = scene.pick(site)
    return None if centre is None else Plan(kind, pattern, centre, core, swelling, push)


def _posterior_fossa(scene: Scene) -> Tensor:
    return scene.of_tissues("cerebellar_white_matter", "cerebellar_cortex", "brainstem")


def _near(scene: Scene, centre: tuple[int, int, int], low_mm: float, high_mm: float) -> Tensor:
    squares = sum(
        ((torch.arange(n, device=scene.labels.device) - c) * s)
        .square()
        .reshape([-1 if a == axis else 1 for a in range(3)])
        for axis, (n, c, s) in enumerate(zip(scene.labels.shape, centre, scene.spacing, strict=True))
    )
    assert isinstance(squares, Tensor)
    return (squares > low_mm**2) & (squares < high_mm**2)
