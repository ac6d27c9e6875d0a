"""Studies made to be compared: two sessions with known growth, restricted diffusion, contrast enhancement."""

from __future__ import annotations

from dataclasses import replace

from sagittal.simulate.plans import Plan, plan_tumours
from sagittal.simulate.scene import Layer, Pathology, Scene, rank_of
from sagittal.simulate.tumours import ET, NETC, SNFH, grow

#: How a lesion changes, how often, and the range of the ratio of its volumes (later ÷ earlier).
COURSES = {
    "growth": (0.35, 1.25, 4.0),
    "shrinkage": (0.25, 0.25, 0.8),
    "stable": (0.25, 1.0, 1.0),
    "new": (0.15, 0, 0),
}
_TUMOUR_LABELS = {NETC: "NETC", SNFH: "SNFH", ET: "ET"}


def plan_growth(scene: Scene) -> list[Plan]:
    """Metastases or one glioma, without mass effect, so that both sessions show one brain."""
    sort = scene.draws.choice({"met": 0.6, "pre": 0.4})
    plans = [replace(plan, push=0.0) for plan in plan_tumours(scene, sort)]
    # A lesion of a few voxels cannot carry a ratio.
    return [plan for plan in plans if plan.core_ml > 0.5] or plans[:1]


def growth_pair(scene: Scene, plans: list[Plan]) -> tuple[Pathology, Pathology]:
    """The same lesions at two dates: one front, two thresholds.

    Returns:
        The earlier and the later pathology; ``extra["growth"]`` of the later lists each lesion's course and
        wanted ratio of core volumes (``None`` for a new lesion).
    """
    early, late = Pathology(labels=dict(_TUMOUR_LABELS)), Pathology(labels=dict(_TUMOUR_LABELS))
    courses = []
    for number, plan in enumerate(plans, start=1):
        course = scene.draws.choice({name: odds for name, (odds, _, _) in COURSES.items()})
        ratio = scene.draws.uniform(*COURSES[course][1:])
        before = plan.core_ml
        after = before * (ratio or 1.0)
        shaped = replace(plan, shape_ml=max(before, after))
        dates = [(late, after)] if course == "new" else [(early, before), (late, after)]
        for pathology, volume in dates:
            # The same stream both times: the same noise, hence the same front.
            own = replace(scene, draws=scene.draws.stream(f"lesion {number}"))
            swelling = plan.swelling_ml * volume / before
            layers, facts = grow(own, replace(shaped, core_ml=volume, swelling_ml=swelling), number)
            pathology.layers += layers
            pathology.facts.append({**facts, "number": number})
        courses.append(
            {"lesion": number, "course": course, "ratio": None if course == "new" else ratio or None}
        )
    late.extra["growth"] = courses
    return early, late


def restriction(scene: Scene) -> Pathology:
    """One lesion on DWI and ADC: restricted, T2 shine-through (bright on both), or neither."""
    tissue = scene.draws.choice({"restricted": 0.45, "shine_through": 0.3, "oedema": 0.25})
    found = _plain_mass(scene, tissue, "lesion")
    found.extra["restricts_diffusion"] = tissue == "restricted" if found.layers else None
    return found


def enhancement(scene: Scene) -> Pathology:
    """One lesion before and after contrast, which it takes up or does not."""
    tissue = scene.draws.choice({"solid_mass": 0.5, "oedema": 0.2, "nonenhancing_tumour": 0.3})
    found = _plain_mass(scene, tissue, "lesion")
    found.extra["enhances"] = tissue == "solid_mass" if found.layers else None
    return found


def _plain_mass(scene: Scene, tissue: str, kind: str) -> Pathology:
    found = Pathology(labels={1: kind})
    site = scene.of_tissues("white_matter", "thalamus", "cerebellar_white_matter", "cortex") & (
        scene.depth < -4
    )
    centre = scene.pick(site)
    if centre is None:
        return found
    core = min(60.0, max(0.6, scene.draws.lognormal(6.0, 0.9)))
    layers, facts = grow(scene, Plan(kind, "dull", centre, core, 0.0, 0.0), 1)
    whole = layers[0]
    found.layers.append(Layer(whole.box, whole.fraction, tissue, 1, 1, rank_of("mass")))
    found.facts.append({**facts, "tissue": tissue})
    return found
