"""The spectrum of a model's Fisher information on some samples (IMAX §4.2, Eqs. 2–4, Figure 5).

The paper: "a single parameter is chosen per trainable layer, yielding the representative 450 parameters". We
read a parameter as one number and a layer as a module that owns weights which are trained: with LoRA on the
seven linear layers of each of LLaMA2-7B's 32 blocks there are 2·7·32 = 448 of them, and the connector's two
linear layers make 450. Which number of a layer is taken is drawn from a seed and recorded.

The matrix (1/N)·Σ g·gᵀ over N samples is p × p, of rank N at most. Its eigenvalues other than 0 are those of
the N × N matrix of the gradients' scalar products, which is what is decomposed.

LoRA begins with B = 0, which makes every gradient of A zero: a model must have made some steps before its
spectrum tells anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sagittal.errors import ConfigError, InputError

if TYPE_CHECKING:
    from torch import Tensor, nn

#: Samples of a matrix (§4.2.2); 1,600 of them make the 50 matrices of a violin.
SAMPLES = 32

_S = TypeVar("_S")


@dataclass(frozen=True)
class Chosen:
    """The number that stands for a layer.

    Attributes:
        layer: name of the module.
        parameter: name of its parameter, within the model.
        index: of the number within the parameter.
    """

    layer: str
    parameter: str
    index: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """As it stands in a record of an analysis."""
        return {**asdict(self), "index": list(self.index)}


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Eigenvalues of an estimated Fisher information matrix.

    Attributes:
        eigenvalues: those other than 0, the largest first.
        entropy: of their shares of the sum, in nats (Eq. 4); 0 of one eigenvalue, log d of d equal ones.
        rho: the largest one's share of the sum, 0–1 (Eq. 3).
    """

    eigenvalues: NDArray[np.float64]
    entropy: float
    rho: float


def choose_parameters(model: nn.Module, seed: int) -> tuple[Chosen, ...]:
    """Draw one trained number of each layer: each number of a layer is as likely as any other.

    Models of one architecture get the same ones from a seed. A parameter that two layers share counts for the
    first.

    Args:
        model: parameters that are not trained have ``requires_grad`` off.
        seed: of the drawing.

    Raises:
        ConfigError: nothing is trained.
    """
    rng = np.random.default_rng(seed)
    chosen, seen = [], set()
    for layer, module in model.named_modules():
        own = [
            (f"{layer}.{name}" if layer else name, tensor)
            for name, tensor in module.named_parameters(recurse=False)
            if tensor.requires_grad and tensor.numel() and id(tensor) not in seen
        ]
        seen |= {id(tensor) for _, tensor in own}
        if own:
            sizes = [tensor.numel() for _, tensor in own]
            place = int(rng.integers(sum(sizes)))
            ends = np.cumsum(sizes)
            which = int(np.searchsorted(ends, place, side="right"))
            name, tensor = own[which]
            index = np.unravel_index(place - int(ends[which]) + sizes[which], tuple(tensor.shape))
            chosen.append(Chosen(layer, name, tuple(map(int, index))))
    if not chosen:
        raise ConfigError(
            "No layer of this model is trained.",
            expected="parameters with requires_grad",
            remedy="enter the stage, or put the adapters in, whose training is looked at",
        )
    return tuple(chosen)


def answer_log_likelihood(logits: Tensor, tokens: Tensor) -> Tensor:
    """log p(y | x) of one answer, summed over its tokens, not averaged: a tensor of no dimension.

    Args:
        logits: (n, vocabulary), each from the position before its token.
        tokens: (n,) ids of the answer, with what ends it, without padding.

    Raises:
        InputError: no token, or shapes that do not fit.
    """
    from torch.nn import functional

    if tokens.ndim != 1 or not len(tokens) or logits.shape[:-1] != tokens.shape:
        raise InputError(
            "Each token of one answer has its logits.",
            expected="logits (n, vocabulary) and tokens (n,)",
            got=f"{tuple(logits.shape)} and {tuple(tokens.shape)}",
        )
    return -functional.cross_entropy(logits.float(), tokens, reduction="sum")


def layer_gradients(
    model: nn.Module,
    log_likelihood: Callable[[_S], Tensor],
    samples: Iterable[_S],
    chosen: Sequence[Chosen],
) -> NDArray[np.float64]:
    """The gradient of each sample's log-likelihood with respect to one number of each layer.

    One sample after the other, so that no more than one sample's gradients of the chosen parameters are held.
    Dropout is off meanwhile. A layer that a sample does not pass through has gradient 0.

    Args:
        model: on any device.
        log_likelihood: of a sample, a tensor of no dimension: summed over the answer's tokens, as
            :func:`answer_log_likelihood` gives it. Its sign changes nothing in the spectrum.
        samples: what ``log_likelihood`` takes, one question with its answer each.
        chosen: as :func:`choose_parameters` gives them.

    Returns:
        (samples, layers).

    Raises:
        ConfigError: a chosen parameter is not in the model, or not trained there.
        InputError: no sample, a log-likelihood of several values, or one without a finite gradient.
    """
    import torch

    tensors = _parameters(model, chosen)
    unique = list({id(tensor): tensor for tensor in tensors}.values())
    modes = {module: module.training for module in model.modules()}
    model.eval()
    rows = []
    try:
        for number, sample in enumerate(samples):
            with torch.enable_grad():
                value = log_likelihood(sample)
            if value.ndim or not value.requires_grad:
                raise InputError(
                    "A sample has one log-likelihood that depends on the model.",
                    expected="a tensor of no dimension, with a gradient",
                    got=f"sample {number}: shape {tuple(value.shape)}",
                )
            found = torch.autograd.grad(value, unique, allow_unused=True)
            by_id = {id(tensor): grad for tensor, grad in zip(unique, found, strict=True)}
            row = [_number(by_id[id(t)], one.index) for t, one in zip(tensors, chosen, strict=True)]
            if not np.isfinite(row).all():
                raise InputError("A gradient is not finite.", got=f"sample {number}")
            rows.append(row)
    finally:
        for module, training in modes.items():
            module.training = training
    if not rows:
        raise InputError("There is no sample to take gradients of.", expected=f"{SAMPLES} a matrix", got=0)
    return np.array(rows)


def spectrum(gradients: NDArray[np.float64]) -> Spectrum:
    """Eigenvalues of (1/N)·Σ g·gᵀ, other than 0, with Eqs. 3 and 4.

    Args:
        gradients: (N, p) one row a sample.

    Raises:
        InputError: not such an array, values that are not finite, or gradients that are all 0.
    """
    if gradients.ndim != 2 or not gradients.size or not np.isfinite(gradients).all():
        raise InputError(
            "A spectrum is of finite gradients.", expected="(samples, layers)", got=gradients.shape
        )
    largest = float(np.abs(gradients).max())
    if not largest:
        raise InputError(
            "All gradients are 0: there is no spectrum.",
            remedy="take a checkpoint after warm-up: LoRA's B is 0 at first",
        )
    # Scaled, so that squares of tiny gradients stay numbers.
    own = gradients / largest
    values = np.linalg.eigvalsh(own @ own.T / len(own))[::-1]
    # What rounding leaves of a zero is that small beside the largest.
    values = values[values > values[0] * max(own.shape) * np.finfo(float).eps]
    shares = values / values.sum()
    return Spectrum(values * largest**2, float(-(shares * np.log(shares)).sum()) + 0.0, float(shares[0]))


def spectra(gradients: NDArray[np.float64], samples: int = SAMPLES) -> list[Spectrum]:
    """Spectra of groups of samples, in their order: one violin of Figure 5.

    Args:
        gradients: (groups · samples, p); the samples having been drawn at random, so is each group.
        samples: of a group.

    Raises:
        InputError: a group that is not full, or as for :func:`spectrum`.
    """
    if samples < 1 or not len(gradients) or len(gradients) % samples:
        raise InputError(
            "Groups are of equal size.", expected=f"a multiple of {samples} samples", got=len(gradients)
        )
    return [spectrum(gradients[n : n + samples]) for n in range(0, len(gradients), samples)]


def _parameters(model: nn.Module, chosen: Sequence[Chosen]) -> list[nn.Parameter]:
    named = dict(model.named_parameters())
    for one in chosen:
        tensor = named.get(one.parameter)
        if (
            tensor is None
            or not tensor.requires_grad
            or tensor.ndim != len(one.index)
            or any(not 0 <= i < n for i, n in zip(one.index, tensor.shape, strict=True))
        ):
            raise ConfigError(
                "The chosen parameters are another model's.",
                expected=f"{one.parameter}, trained, with a place {one.index}",
                got="nothing" if tensor is None else f"{tuple(tensor.shape)}",
                remedy="choose them with this architecture and the same layers trained",
            )
    return [named[one.parameter] for one in chosen]


def _number(gradient: Tensor | None, index: tuple[int, ...]) -> float:
    return 0.0 if gradient is None else float(gradient[index])
