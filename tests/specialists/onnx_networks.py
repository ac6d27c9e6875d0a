"""Tiny ONNX networks whose answers are known, and cards for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from sagittal.specialists.card import SpecialistCard
from sagittal.study import KINDS

#: Logits go up so steeply that a voxel is one or the other.
STEEP = 200.0
NETWORK = "network.onnx"


def _saved(path: Path, nodes, takes, gives, constants=(), kind=TensorProto.FLOAT) -> Path:
    graph = helper.make_graph(
        nodes, "network",
        [helper.make_tensor_value_info("x", kind, takes)],
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in gives.items()],
        [onnx.numpy_helper.from_array(value, name) for name, value in dict(constants).items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


def segmenter(path: Path, shape, threshold: float, axis: int, *, background: bool = False) -> Path:
    """One logit for each channel: whether it is brighter than the threshold; and one for none of them.

    Args:
        path: to write to.
        shape: of the input.
        threshold: of intensities, as they come in.
        axis: of the channels.
        background: whether there is a logit for it, the first; for networks of one channel.
    """
    constants = {"t": np.float32(threshold), "k": np.float32(STEEP), "minus": np.float32(-1)}
    nodes = [
        helper.make_node("Sub", ["x", "t"], ["above"]),
        helper.make_node("Mul", ["above", "k"], ["bright" if background else "y"]),
    ]
    gives = list(shape)
    if background:
        nodes += [
            helper.make_node("Mul", ["bright", "minus"], ["dark"]),
            helper.make_node("Concat", ["dark", "bright"], ["y"], axis=axis),
        ]
        gives[axis] = 2
    used = constants if background else {k: v for k, v in constants.items() if k != "minus"}
    return _saved(path, nodes, list(shape), {"y": gives}, used)


def classifier(path: Path, shape, axes, *, gives=2, kind=TensorProto.FLOAT) -> Path:
    """Two logits, of dark and of bright: from the mean over ``axes``, which leaves (1, channels)."""
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    weights = np.zeros((3, gives), dtype)
    weights[0, 0], weights[0, 1] = -1, 1
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=list(axes), keepdims=0),
        helper.make_node("MatMul", ["mean", "w"], ["y"]),
    ]
    return _saved(path, nodes, list(shape), {"y": [1, gives]}, {"w": weights}, kind)


def passing(path: Path, shape, operation: str = "Identity", outputs=("y",), **attributes) -> Path:
    """Gives what an operation gives."""
    nodes = [helper.make_node(operation, ["x"], [name], **attributes) for name in outputs]
    return _saved(path, nodes, list(shape), {name: list(shape) for name in outputs})


def with_weights_in(path: Path, location: str) -> Path:
    """Adds what the file at ``location`` holds, four numbers, to a picture of 2×2 pixels."""
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1, 1, 2, 2])
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, 2, 2]) for name in "xy"]
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])], "network", ends[:1], ends[1:], [tensor]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.write_bytes(model.SerializeToString())
    return path


def card_of(settings, *, masks=None, classes=None, images=1, **changes) -> SpecialistCard:
    """A card for a network in the folder; masks of ``bright`` where nothing is said."""
    flat = "D" not in settings["layout"]
    if masks is None and classes is None:
        masks = {"bright": ["bright"]}
    body = {
        "schema": "sagittal.specialist/1", "name": "Tiny", "summary": "marks what is bright",
        "images": [[*KINDS]] * images, "looks_at": "picture" if flat else "volume",
        "arguments": dict.fromkeys(masks or ["kind"], "something"),
        "licence": "none", "source": "here", "cost": {"seconds": 1, "memory_mb": 300},
        "needs": {"weights": [{"file": NETWORK}]}, "adapter": "onnx",
        "settings": {"file": NETWORK, **settings},
    }  # fmt: skip
    if classes is not None:
        body["classes"] = classes
    else:
        body["masks"] = masks
    return SpecialistCard.model_validate({**body, **changes})
