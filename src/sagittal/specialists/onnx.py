"""Any network in an ONNX file: its card's ``settings`` say what goes in and what comes out.

Classes of a picture or volume, or a mask of it. An ONNX file is numbers and operations, and no program; what
it can do beyond is to name other files for its weights, and these are read only below its own folder, which
onnxruntime sees to since 1.24. Adding a network takes no code: see docs/specialists.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sagittal.errors import FileFormatError, MissingExtraError
from sagittal.runtime import available_cores
from sagittal.specialists.card import SpecialistCard
from sagittal.specialists.needs import require_content, weights_path
from sagittal.specialists.onnx_input import network_input, network_mask
from sagittal.specialists.onnx_settings import OnnxSettings, onnx_settings
from sagittal.specialists.protocol import SpecialistError
from sagittal.study import Mask, Study

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

# Earlier ones follow links and paths out of the folder.
_SAFE_SINCE = (1, 24)
_NUMBERS = "tensor(float)"
# What a network may be off by that gives probabilities itself.
_ROUNDING = 1e-3


class OnnxSpecialist:
    """A loaded network.

    Args:
        card: what it promises.
        settings: how it is fed and read.
        session: the network.
    """

    def __init__(self, card: SpecialistCard, settings: OnnxSettings, session: InferenceSession) -> None:
        self._card, self._settings, self._session = card, settings, session
        self._takes, self._gives = _checked_ends(session, settings, bool(card.masks))

    def accepts(self, study: Study) -> str | None:
        """Nothing beyond what the card says."""
        return None

    def run(self, study: Study, argument: str) -> Mask | Mapping[str, float]:
        """Probabilities of the card's classes; or the argument's labels, on the first image's grid.

        Raises:
            InputError: the images cannot be looked at.
            SpecialistError: what the network gave cannot be used.
        """
        given = network_input(study.images, self._settings)
        raw = np.asarray(self._session.run([self._gives], {self._takes: given.values})[0])
        probabilities = self._probabilities(raw)
        if self._card.classes:
            by_name = dict(zip(self._settings.outputs, map(float, probabilities), strict=True))
            return {name: by_name[name] for name in self._card.classes}
        name = self._card.name
        drawn = network_mask(probabilities, given.grid, study.images[0], self._settings, name)
        return _of_argument(drawn, self._card.masks[argument])

    def _probabilities(self, raw: NDArray[Any]) -> NDArray[np.float32]:
        """(outputs, …) between 0 and 1."""
        settings = self._settings
        wanted = settings.mask_shape if self._card.masks else (1, len(settings.outputs))
        if raw.shape != wanted:
            raise self._wrong("gave an array of another shape than its card says", wanted, raw.shape)
        if not np.isfinite(raw).all():
            raise self._wrong(
                "gave values that are no numbers", "numbers", f"{_share_of_nan(raw):.0%} are not"
            )
        values = np.moveaxis(raw[0], settings.channel_axis - 1, 0) if self._card.masks else raw[0]
        values = _activated(values.astype(np.float32, copy=False), settings.activation)
        low, high = float(values.min()), float(values.max())
        if low < -_ROUNDING or high > 1 + _ROUNDING:
            raise self._wrong("gave something that is no probability", "0 to 1", f"{low:.4g} to {high:.4g}")
        return np.clip(values, 0, 1)

    def _wrong(self, what: str, expected: object, got: object) -> SpecialistError:
        return SpecialistError(
            "wrong", self._card.name, f"The network {what}.", expected=expected, got=got,
            remedy="check the activation, layout and outputs of its card",
        )  # fmt: skip


def _activated(values: NDArray[np.float32], activation: str) -> NDArray[np.float32]:
    """Probabilities of outputs along the first axis."""
    if activation == "softmax":
        raised = np.exp(values - values.max(axis=0, keepdims=True))
        return np.asarray(raised / raised.sum(axis=0, keepdims=True), np.float32)
    if activation == "sigmoid":
        from scipy.special import expit

        return np.asarray(expit(values), np.float32)
    return values


def _share_of_nan(values: NDArray[Any]) -> float:
    return 1 - float(np.isfinite(values).mean())


def _of_argument(mask: Mask, labels: tuple[str, ...]) -> Mask:
    """Only the labels that were asked for."""
    kept = {value: name for value, name in mask.labels.items() if name in labels}
    data = np.where(np.isin(mask.data, list(kept)), mask.data, np.uint8(0))
    return Mask(data, mask.geometry, kept, mask.name, mask.session)


def _checked_ends(session: InferenceSession, settings: OnnxSettings, draws: bool) -> tuple[str, str]:
    """Names of the input and the output, once they were found to be as the settings say."""
    takes, gives = session.get_inputs(), session.get_outputs()
    if len(takes) != 1:
        raise _unfit("takes one input", [i.name for i in takes])
    if settings.output is None and len(gives) > 1:
        raise _unfit("gives one output, or settings.output says which", [o.name for o in gives])
    named = {o.name: o for o in gives}
    wanted = settings.output if settings.output is not None else gives[0].name
    if wanted not in named:
        raise _unfit(f"gives an output {wanted}", list(named))
    _require_shape("takes", takes[0], settings.input_shape)
    _require_shape("gives", named[wanted], settings.mask_shape if draws else (1, len(settings.outputs)))
    return takes[0].name, wanted


def _require_shape(what: str, end: Any, wanted: tuple[int, ...]) -> None:
    """A number must be the one of the settings; a name, or nothing, stands for any."""
    fits = len(end.shape) == len(wanted) and all(
        not isinstance(n, int) or n == m for n, m in zip(end.shape, wanted, strict=True)
    )
    if end.type != _NUMBERS or not fits:
        shape = "×".join(map(str, wanted))
        raise _unfit(f"{what} {_NUMBERS} of {shape}", f"{end.type} of {'×'.join(map(str, end.shape))}")


def _unfit(expected: str, got: object) -> FileFormatError:
    return FileFormatError(
        "The network is not the one that its card describes.", expected=f"a network that {expected}", got=got,
        remedy="mend the settings of its card; see docs/specialists.md",
    )  # fmt: skip


def open_onnx(card: SpecialistCard, folder: Path) -> OnnxSpecialist:
    """Load a network.

    Raises:
        MissingExtraError: onnxruntime is not installed, or is too old to be safe.
        FileFormatError: the card's settings do not fit the card or the network; or this is no network.
        IntegrityError, StorageError: the file is another one than the card names, or not there.
    """
    settings = onnx_settings(card)
    [weights] = [one for one in card.needs.weights if one.file == settings.file]
    path = weights_path(weights, folder)
    if weights.sha256 is not None:
        require_content(path, weights.sha256)
    return OnnxSpecialist(card, settings, _session(path))


def _session(path: Path) -> InferenceSession:
    try:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as faults
    except ImportError as error:
        raise MissingExtraError("A specialist in an ONNX file", "specialists") from error
    version = tuple(int(part) for part in onnxruntime.__version__.split(".")[:2])
    if version < _SAFE_SINCE:
        raise MissingExtraError(
            f"A specialist in an ONNX file (onnxruntime {version} is too old)", "specialists"
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = available_cores(), 1
    # Errors only: what it finds remarkable about a network is not the user's to read.
    options.log_severity_level = 3
    try:
        # By path: weights in other files are sought beside it, and nowhere else.
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except (
        faults.Fail, faults.InvalidArgument, faults.InvalidGraph, faults.InvalidProtobuf, faults.NoModel,
        faults.NotImplemented, faults.RuntimeException,
    ) as error:  # fmt: skip
        raise FileFormatError(
            "onnxruntime cannot load this network.", got=f"{path.name}: {str(error)[:300]}",
            remedy="it must be an ONNX file; weights in files of their own lie in its folder",
        ) from error  # fmt: skip
