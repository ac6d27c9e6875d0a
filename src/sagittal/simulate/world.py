"""The simulated world: config, heads, seed and index → a labelled study with known truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sagittal.errors import ConfigError
from sagittal.geometry import Geometry
from sagittal.simulate import pairs
from sagittal.simulate.artefacts import crop_view, spoil
from sagittal.simulate.config import WorldConfig
from sagittal.simulate.deform import Pose, draw_pose, positions, push
from sagittal.simulate.draws import Draws
from sagittal.simulate.facts import study_facts
from sagittal.simulate.fields import smooth_noise
from sagittal.simulate.heads import CEREBRUM_CENTRE, Head, HeadSet
from sagittal.simulate.intensity import Look, draw_look
from sagittal.simulate.lesions import plan_lesions, white_matter_lesions
from sagittal.simulate.places import place_lesion
from sagittal.simulate.plans import Plan, plan_tumours
from sagittal.simulate.sampling import confine, flat_index, look_up, mean_over_voxel
from sagittal.simulate.scene import Pathology, Scene, mark, paint
from sagittal.simulate.shells import DEPTH_UNIT
from sagittal.simulate.tissues import structures, tissues
from sagittal.simulate.tumours import grow
from sagittal.simulate.vessels import tube_share
from sagittal.study import Image, Mask, Study

_TUMOURS = ("gli", "pre", "met", "goat")
#: Brain tissue and fluid that a generous brain mask may still hold, mm beyond the brain's surface.
_STRIP_REACH_MM = 5.0


@dataclass(frozen=True)
class SimulatedStudy:
    """One made study and everything that is true of it.

    Attributes:
        study: images on one grid, by session; masks: ``anatomy`` (FreeSurfer values), ``lesions``.
        facts: the truth, plain JSON values (:mod:`sagittal.simulate.facts`).
    """

    study: Study
    facts: dict[str, Any]


def simulate(
    config: WorldConfig, heads: HeadSet, indices: Sequence[int], seed: int, device: str = "cpu"
) -> list[SimulatedStudy]:
    """Make studies. Each depends on (config, heads, seed, its index) alone, not on its neighbours.

    Args:
        config: the world.
        heads: label maps that heads are drawn from.
        indices: which studies of the world; any whole numbers from 0.
        seed: of the world.
        device: where voxels are computed. Each device has its own (repeatable) noise.

    Raises:
        ConfigError: an index or seed below 0, or no heads.
        GeometryError: the config's orientation names no three anatomical axes.
    """
    if len(heads) == 0 or seed < 0 or any(i < 0 for i in indices):
        raise ConfigError(
            "Studies are numbered from 0, and need heads and a seed from 0.",
            got=f"{len(heads)} heads, seed {seed}, indices {list(indices)[:5]}",
        )
    with torch.inference_mode():
        return [_simulate_one(config, heads, index, seed, torch.device(device)) for index in indices]


def output_grid(config: WorldConfig) -> Geometry:
    """The grid of a world's studies: its middle at the middle of the brain's box."""
    shape = np.array(config.shape)
    spacing = np.array(config.spacing)
    # The cerebrum's middle lies above the brain's, which has the cerebellum and brainstem below.
    middle = np.array(CEREBRUM_CENTRE) - (0.0, 0.0, 11.0)
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = middle - spacing * (shape - 1) / 2
    geometry, _, _ = Geometry(config.shape, affine).reoriented(config.orientation)
    return geometry


def _simulate_one(
    config: WorldConfig, heads: HeadSet, index: int, seed: int, device: torch.device
) -> SimulatedStudy:
    draws = Draws(seed, index, device)
    head = heads.head(draws.integer(0, len(heads)), device)
    geometry = output_grid(config)
    pose = draw_pose(config.deformation, geometry, draws.stream("pose"), head.brain_ml)
    stripped = draws.chance(config.skull_strip)
    healthy = draws.chance(config.healthy_share)
    field = positions(pose, geometry, head)
    confine(field, head)
    look = draw_look(config.sequences, config.contrast, draws.stream("look"))
    scene = sample(head, field, pose, geometry, draws.stream("pathology"))
    sessions = _pathology("healthy" if healthy else config.pathology, scene, look, head, field, pose)
    camera = _Camera(config, head, field, pose, scene, look, stripped, draws)
    images: list[Image] = []
    masks: list[Mask] = []
    facts: list[dict[str, Any]] = []
    for number, pathology in enumerate(sessions):
        session = f"session-{number + 1}" if len(sessions) > 1 else ""
        made, clean, spoilt = camera.shoot(pathology, session)
        images += made
        labels, owner = mark(pathology.layers, geometry.shape, scene.parenchyma)
        labels, owner = labels * camera.kept, owner * camera.kept
        facts.append(study_facts(scene, look, pathology, labels, owner, clean, session, spoilt))
        if pathology.labels:
            masks.append(Mask(labels.cpu().numpy(), geometry, pathology.labels, "lesions", session))
    if config.anatomy:
        masks.insert(0, anatomy_mask(scene.labels * camera.kept, geometry))
    study = Study(f"sim-{seed}-{index:05d}", f"sim-{seed}-{index:05d}", tuple(images), tuple(masks))
    truth = {
        "schema": "sagittal.facts/1", "world": config.pathology, "seed": seed, "index": index,
        "head": head.name, "flipped": pose.flipped, "stripped": stripped, "look": look.facts,
        "sessions": facts,
    }  # fmt: skip
    return SimulatedStudy(study, truth)


def sample(head: Head, field: Tensor, pose: Pose, geometry: Geometry, draws: Draws) -> Scene:
    """Look the head up at every voxel; a mirror image swaps left and right labels."""
    index = flat_index(field, head)
    labels = look_up(head.labels, index)
    if pose.flipped:
        mirror = torch.as_tensor(structures().mirror, dtype=torch.uint8, device=labels.device)
        labels = look_up(mirror, labels.int())
    depth = look_up(head.depth, index).float().mul_(DEPTH_UNIT)
    return Scene(geometry, labels, depth, draws)


def _pathology(name: str, scene: Scene, look: Look, head: Head, field: Tensor, pose: Pose) -> list[Pathology]:
    """The lesions of each session; mass effect moves ``field`` and the scene's labels in place."""
    if name == "healthy":
        return [Pathology()]
    if name in _TUMOURS:
        plans = plan_tumours(scene, name)
        _mass_effect(plans, scene, head, field, pose)
        found = Pathology(labels=_tumour_labels(name))
        for number, plan in enumerate(plans, start=1):
            layers, facts = grow(scene, plan, number)
            found.layers += layers
            found.facts.append(facts)
        return [found]
    if name == "growth":
        return list(pairs.growth_pair(scene, pairs.plan_growth(scene)))
    if name == "places":
        return [place_lesion(scene, look.kinds)]
    makers = {"restriction": pairs.restriction, "enhancement": pairs.enhancement, "wmh": white_matter_lesions}
    return [makers[name](scene) if name in makers else plan_lesions(scene, look.kinds)]


def _tumour_labels(name: str) -> dict[int, str]:
    from sagittal.io.labels import load_labels

    return load_labels("gli" if name == "gli" else "brats2023").names


def _mass_effect(plans: list[Plan], scene: Scene, head: Head, field: Tensor, pose: Pose) -> None:
    pushed = [plan for plan in plans if plan.push > 0]
    for plan in pushed:
        push(field, plan.centre, 1.3 * plan.radius_mm, plan.push, scene.spacing)
    if pushed:
        confine(field, head)
        again = sample(head, field, pose, scene.geometry, scene.draws)
        scene.labels.copy_(again.labels)
        scene.depth.copy_(again.depth)
        scene.__dict__.pop("parenchyma", None)


class _Camera:
    """Takes the images of a study's sessions: the same head, a new exposure each."""

    def __init__(
        self, config: WorldConfig, head: Head, field: Tensor, pose: Pose, scene: Scene, look: Look,
        stripped: bool, draws: Draws,
    ) -> None:  # fmt: skip
        self.config, self.look, self.scene, self.draws = config, look, scene, draws
        self.signal, self.texture = look.rows(np.arange(len(tissues().names)), scene.labels.device)
        noise = draws.stream("grain")
        spacing = scene.spacing
        shape = scene.labels.shape
        self.grain = 0.8 * smooth_noise(shape, spacing, 1.4 * min(spacing) + 1.0, noise.voxels)[0]
        self.grain += 0.6 * smooth_noise(shape, spacing, 9.0, noise.voxels)[0]
        self.kept = self._brain_mask(draws.stream("strip")) if stripped else torch.ones_like(scene.labels)
        self.stripped = stripped
        if draws.chance(config.artefacts.crop):
            # A box that was placed badly: the grid stays, a side of the view is empty.
            view = torch.zeros_like(self.kept)
            view[tuple(crop_view(shape, draws.stream("view")))] = 1
            self.kept = self.kept * view
        self._develop(head, field, pose)
        if config.contrast.vessels:
            self._draw_vessels(draws.stream("vessels"))

    def _brain_mask(self, draws: Draws) -> Tensor:
        """What skull stripping keeps, uint8: a threshold on depth, wrong by a smooth error."""
        limit = draws.uniform(-0.5, 3.5)
        error = draws.uniform(0.1, 1.0) * self.config.strip_error_mm
        wrong = smooth_noise(self.scene.labels.shape, self.scene.spacing, 22.0, draws.voxels)[0]
        kept = self.scene.depth + error * wrong < limit
        return kept.to(torch.uint8)

    def _develop(self, head: Head, field: Tensor, pose: Pose) -> None:
        """Clean images of the healthy head with partial volume, and each voxel's share of brain tissue."""
        scene, lookup = self.scene, structures()
        shape = scene.labels.shape
        inside = scene.depth < _STRIP_REACH_MM if self.stripped else scene.labels > 0
        place = inside.reshape(-1).nonzero()[:, 0]
        classes = torch.as_tensor(lookup.tissue, device=place.device)
        brain = torch.as_tensor(lookup.parenchyma, device=place.device).float()[:, None]
        rows = torch.cat([self.signal[classes], self.texture[classes], brain], dim=1)
        matrix = head.to_voxel @ pose.affine @ scene.geometry.affine
        counts = [
            int(np.clip(np.round(np.linalg.norm(matrix[:3, a])), 1, 4)) for a in range(3)
        ]  # output voxel in head voxels
        values = mean_over_voxel(
            rows, field.reshape(3, -1)[:, place], head, matrix[:3, :3].T.tolist(), counts
        )
        count = self.signal.shape[1]
        grain = self.grain.reshape(-1)[place]
        # Tissue that is brighter on one sequence is darker on another: texture has a sign an image.
        signs = torch.where(self.draws.rows(count) > 0, 1.0, -1.0).to(values)
        lit = values[:, :count].addcmul_(values[:, count : 2 * count] * signs, grain[:, None])
        background = self.signal[0][:, None].expand(count, scene.labels.numel())
        self.clean = background.contiguous().index_copy_(1, place, lit.T.contiguous()).reshape(count, *shape)
        self.share = torch.zeros(scene.labels.numel(), device=place.device)
        self.share = self.share.index_copy_(0, place, values[:, -1].contiguous()).reshape(shape)

    def _draw_vessels(self, draws: Draws) -> None:
        weight = tube_share(self.scene, draws)
        vein = self.signal[tissues().index("vein")].reshape(-1, 1, 1, 1)
        self.clean += weight * (vein - self.clean)

    def shoot(self, pathology: Pathology, session: str) -> tuple[list[Image], Tensor, list[dict[str, Any]]]:
        """The images of one session, the clean ones they were made from, and their artefacts."""
        scene, config = self.scene, self.config
        clean = self.clean.clone()
        paint(clean, pathology.layers, self.signal, self.texture, self.grain, self.share)
        draws = self.draws.stream(f"exposure {session}")
        images, facts = [], []
        for number, (kind, sequence) in enumerate(zip(self.look.kinds, config.sequences, strict=True)):
            scale = float(self.look.scale[number])
            image, done = spoil(clean[number], kind, scale, scene.spacing, config.artefacts, draws)
            # Scanners and exports have units of their own.
            unit = 1.0 if kind in ("ct", "adc") else draws.lognormal(300.0, 0.8)
            background = -1000.0 if kind == "ct" else 0.0
            image = torch.where(self.kept.bool(), image.mul_(unit), torch.full_like(image, background))
            name = f"{sequence}" if not session else f"{sequence}-{session}"
            images.append(Image(image.cpu().numpy(), scene.geometry, kind, name, session=session))
            facts.append({"image": name, "kind": kind, **done})
        return images, clean, facts


def anatomy_mask(labels: Tensor, geometry: Geometry) -> Mask:
    """Structure indices → a mask of FreeSurfer values, named."""
    table = structures()
    codes = labels.cpu().numpy()
    present = np.flatnonzero(np.bincount(codes.reshape(-1), minlength=len(table.values)))
    widest = int(table.values[present].max())
    values = table.values.astype(np.uint8 if widest < 256 else np.uint16)
    names = {int(table.values[i]): table.names[i] for i in present if i}
    return Mask(values[codes], geometry, names, "anatomy")
