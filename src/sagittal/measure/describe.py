"""Everything that can be said of a segmentation in numbers and classes (mpLLM, §3.2.1 and appendix A)."""

from __future__ import annotations

from collections.abc import Sequence

from sagittal.errors import GeometryError, InputError
from sagittal.geometry import Geometry
from sagittal.measure.atlas import Atlas
from sagittal.measure.block import Block, cut_block, label_boxes
from sagittal.measure.brain import Brain, find_brain, percent_of_brain
from sagittal.measure.classes import NOT_PRESENT, Thresholds, shape_class, spread_class, volume_class
from sagittal.measure.components import Components, find_components
from sagittal.measure.description import Description, LabelDescription
from sagittal.measure.diameters import diameters
from sagittal.measure.extent import extent
from sagittal.measure.intensity import intensity
from sagittal.measure.regions import region_shares
from sagittal.measure.shape import METRICS, aggregate, component_shapes, counts_by_core
from sagittal.measure.surface import surface_areas
from sagittal.study import Image, Mask

_NO_SPACING = "the pixel spacing is not known"
_NO_VOXEL = "the label has no voxel"


def describe(
    mask: Mask,
    *,
    images: Sequence[Image] = (),
    brain: Mask | None = None,
    atlas: Atlas | None = None,
    config: Thresholds | None = None,
) -> Description:
    """Describe every label of a mask.

    Args:
        mask: the segmentation. Labels that its table names but that have no voxel are described, too.
        images: scans on the mask's grid, in any storage order. They give intensities, and, without
            ``brain``, the brain's volume.
        brain: brain mask; without it a skull-stripped image is used
            (:func:`~sagittal.measure.brain.find_brain`).
        atlas: for regions.
        config: where classes end; the published thresholds by default.

    Returns:
        Whatever cannot be measured is ``None`` there, with the reason.

    Raises:
        LabelError: a value in the mask that its table does not name.
    """
    boxes = label_boxes(mask)
    if not boxes.keys() <= mask.labels.keys():
        mask.check_labels()
    thresholds = config or Thresholds()
    brain_found = find_brain(images, brain)
    warnings = list(brain_found.warnings)
    if atlas is not None:
        warnings += _space_warnings(mask.geometry, atlas)
    names = image_names(images)
    labels: dict[str, LabelDescription] = {}
    for value, name in mask.labels.items():
        out = LabelDescription(name=name, label=value)
        if value in boxes:
            block = cut_block(mask, value, boxes[value])
            _measure_size(out, block, mask, brain_found, thresholds)
            _measure_shape(out, block, thresholds, warnings)
            _measure_place(out, block, atlas, warnings)
            _measure_intensity(out, block, images, names, warnings)
        else:
            _mark_absent(out, brain_found)
        labels[name] = out
    return Description(
        brain_ml=brain_found.ml,
        brain_source=brain_found.source,
        brain_undefined=brain_found.reason if brain_found.ml is None else None,
        atlas=(atlas.name, atlas.space) if atlas is not None else None,
        labels=labels,
        warnings=tuple(dict.fromkeys(warnings)),
    )


def image_names(images: Sequence[Image]) -> list[str]:
    """What each image is called in a description: its kind where that is known and unique, else its name."""
    kinds = [image.kind for image in images]
    names = [
        image.kind if image.kind != "unknown" and kinds.count(image.kind) == 1 else image.name or image.kind
        for image in images
    ]
    return [name if names.count(name) == 1 else f"{name} #{i + 1}" for i, name in enumerate(names)]


def _mark_absent(out: LabelDescription, brain: Brain) -> None:
    """A label without a voxel: it measures 0, its classes are N/A, and the rest is undefined."""
    out.voxels = out.components = 0
    out.volume_ml = 0.0
    out.volume_class = out.shape_class = out.spread_class = NOT_PRESENT
    if brain.mask is not None:
        out.brain_percent = 0.0
    else:
        out.undefined["brain_percent"] = brain.reason or ""
    for key in ("core_share", "surface_mm2", *METRICS, "extent_mm", "diameters_mm", "centroid_ras_mm"):
        out.undefined[key] = _NO_VOXEL
    for key in ("regions", "covered_share", "intensity"):
        out.undefined[key] = _NO_VOXEL


def _measure_size(
    out: LabelDescription, block: Block, mask: Mask, brain: Brain, thresholds: Thresholds
) -> None:
    out.voxels = block.voxels
    if block.geometry.spacing_known:
        out.volume_ml = block.voxels * block.geometry.voxel_volume / 1000
    else:
        out.undefined["volume_ml"] = _NO_SPACING
    percent, reason = percent_of_brain(mask, block.voxels, brain)
    out.brain_percent = percent
    if percent is not None:
        out.volume_class = volume_class(percent, thresholds)
    else:
        out.undefined["brain_percent"] = out.undefined["volume_class"] = reason or ""


def _measure_shape(out: LabelDescription, block: Block, thresholds: Thresholds, warnings: list[str]) -> None:
    components = find_components(block)
    out.components = len(components)
    out.core_share = components.core_share
    out.spread_class = spread_class(len(components), components.core_share, thresholds)
    if not block.geometry.spacing_known:
        for key in ("surface_mm2", *METRICS, "shape_class"):
            out.undefined[key] = _NO_SPACING
        return
    areas = surface_areas(components)
    out.surface_mm2 = float(areas.sum())
    shape = aggregate(
        component_shapes(components, _needed(components, thresholds), areas=areas),
        components,
        core_share=thresholds.metrics_core_share,
    )
    for metric, value in shape.values.items():
        setattr(out, metric, value)
    out.undefined.update(shape.undefined)
    warnings += [f"{out.name}: {metric} is the {note}." for metric, note in shape.notes.items()]
    volume_ml = out.volume_ml if out.volume_ml is not None else 0.0
    out.shape_class = shape_class(volume_ml, out.sphericity, out.elongation, thresholds)
    if out.shape_class is None:
        out.undefined["shape_class"] = f"it rests on elongation, and {shape.undefined['elongation']}"


def _needed(components: Components, thresholds: Thresholds) -> list[int] | None:
    """Components whose shape enters the label's: the core alone, or all (``None``)."""
    return [components.core] if counts_by_core(components, thresholds.metrics_core_share) else None


def _measure_place(out: LabelDescription, block: Block, atlas: Atlas | None, warnings: list[str]) -> None:
    if block.geometry.spacing_known:
        out.centroid_ras_mm = tuple(float(v) for v in block.centroid)
        out.extent_mm = dict(extent(block).extent_mm)
        out.diameters = diameters(block)
    else:
        for key in ("centroid_ras_mm", "extent_mm", "diameters_mm"):
            out.undefined[key] = _NO_SPACING
    if atlas is None or not block.geometry.spacing_known:
        reason = "no atlas was given" if atlas is None else _NO_SPACING
        out.undefined["regions"] = out.undefined["covered_share"] = reason
        return
    found = region_shares(block, atlas)
    out.regions = dict(found.shares)
    out.covered_share = found.covered_share
    if not found.shares:
        warnings.append(f"{out.name} lies outside every region of the atlas {atlas.name}.")


def _measure_intensity(
    out: LabelDescription, block: Block, images: Sequence[Image], names: Sequence[str], warnings: list[str]
) -> None:
    for image, name in zip(images, names, strict=True):
        try:
            out.intensity[name] = intensity(image, block)
        except GeometryError:
            out.intensity[name] = None
            out.undefined[f"intensity.{name}"] = "the image lies on another grid than the mask"
            warnings.append(f"{name} lies on another grid than the mask: no intensities were measured in it.")
        except InputError as error:
            out.intensity[name] = None
            out.undefined[f"intensity.{name}"] = error.message


def _space_warnings(geometry: Geometry, atlas: Atlas) -> list[str]:
    """A mismatch between the space that the mask seems to lie in and the atlas's."""
    from sagittal.io.spaces import recognise_space

    space = recognise_space(geometry)
    if space.name == atlas.space:
        return []
    if space.name == "native":
        return [
            f"The mask is in no known template space ({space.reason}); the atlas {atlas.name} is in "
            f"{atlas.space}: regions are right only if the mask was registered to it."
        ]
    return [
        f"The mask is in {space.name} ({space.reason}), but the atlas {atlas.name} is in {atlas.space}: "
        "regions are unsure until one is registered to the other."
    ]
