"""Gradients of many samples at once, for the Fisher spectrum: one number of each layer, one backward pass.

The derivative with respect to one weight W[i, j] is that with respect to ε in W + ε·E(i, j). With an ε for
each sample of a batch, one backward pass gives every sample its own derivative, exactly, and no gradient of a
whole matrix is made. :func:`sagittal.score.fisher.layer_gradients` makes all of them, sample after sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sagittal.errors import ConfigError, InputError
from sagittal.score.fisher import Chosen

_B = TypeVar("_B")


def batched_gradients(
    model: nn.Module,
    log_likelihoods: Callable[[_B], Tensor],
    batches: Iterable[_B],
    chosen: Sequence[Chosen],
) -> NDArray[np.float64]:
    """As :func:`sagittal.score.fisher.layer_gradients`, batch after batch. Dropout is off meanwhile.

    Args:
        model: whose layers are linear ones, embeddings, or norms that scale each number; samples lie along
            the first axis of what they get, and none depends on another.
        log_likelihoods: of a batch, (B,): summed over each answer's tokens.
        batches: what ``log_likelihoods`` takes.
        chosen: as :func:`sagittal.score.fisher.choose_parameters` gives them.

    Returns:
        (samples, layers).

    Raises:
        ConfigError: a layer of another kind, or one that the model has not.
        InputError: no sample, or a likelihood without a finite gradient.
    """
    modes = {module: module.training for module in model.modules()}
    wanted = {parameter: parameter.requires_grad for parameter in model.parameters()}
    shifts = _Shifts(len(chosen))
    rows = []
    with ExitStack() as undone:
        undone.callback(_restore, modes, wanted)
        model.eval()
        for one, column in zip(chosen, range(len(chosen)), strict=True):
            for module, rule in _places(model, one):
                hook = module.register_forward_hook(shifts.hook(rule, one, column))
                undone.callback(hook.remove)
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        for batch in batches:
            shifts.values = None
            with torch.enable_grad():
                values = log_likelihoods(batch)
            rows.append(_row(values, shifts))
    if not rows:
        raise InputError("A spectrum needs samples.", expected="one batch at the least", got=0)
    return np.concatenate(rows)


#: From a layer, what it gets, what it makes and the place of the number to which output moves, and how far
#: for an ε of 1: the output's shape without its last axis.
_Rule = Callable[[nn.Module, Tensor, Tensor, tuple[int, ...]], tuple[int, Tensor]]


class _Shifts:
    """The ε of a batch, (B, layers): made when the first layer sees how many samples there are."""

    def __init__(self, layers: int) -> None:
        self.layers = layers
        self.values: Tensor | None = None

    def hook(self, rule: _Rule, one: Chosen, column: int) -> Callable[[nn.Module, Any, Tensor], Tensor]:
        def moved(module: nn.Module, given: Any, out: Tensor) -> Tensor:
            if self.values is None:
                dtype = torch.promote_types(out.dtype, torch.float32)
                self.values = torch.zeros(
                    len(out), self.layers, device=out.device, dtype=dtype, requires_grad=True
                )
            own = self.values[:, column].reshape(-1, *(1,) * (out.ndim - 2))
            place, change = rule(module, given[0], out, one.index)
            return out.index_add(
                -1, torch.tensor([place], device=out.device), (own * change)[..., None].to(out)
            )

        return moved


def _weight(module: nn.Module, given: Tensor, out: Tensor, index: tuple[int, ...]) -> tuple[int, Tensor]:
    return index[0], given[..., index[1]]


def _bias(module: nn.Module, given: Tensor, out: Tensor, index: tuple[int, ...]) -> tuple[int, Tensor]:
    return index[0], torch.ones_like(out[..., 0])


def _row_of(module: nn.Module, given: Tensor, out: Tensor, index: tuple[int, ...]) -> tuple[int, Tensor]:
    return index[1], (given == index[0]).to(out)


def _scale(module: nn.Module, given: Tensor, out: Tensor, index: tuple[int, ...]) -> tuple[int, Tensor]:
    if isinstance(module, nn.LayerNorm):
        normed = nn.functional.layer_norm(given, module.normalized_shape, eps=module.eps)
    else:
        # Of transformers' RMS norms, and of torch's.
        epsilon = float(getattr(module, "variance_epsilon", None) or getattr(module, "eps", None) or 0.0)
        normed = given * torch.rsqrt(given.square().mean(dim=-1, keepdim=True) + epsilon)
    return index[0], normed[..., index[0]]


def _places(model: nn.Module, one: Chosen) -> list[tuple[nn.Module, _Rule]]:
    """The modules that use a parameter, several where it is tied, and how each moves with it."""
    named = dict(model.named_parameters(remove_duplicate=False))
    parameter = named.get(one.parameter)
    if parameter is None or len(one.index) != parameter.ndim:
        raise ConfigError(
            "The chosen parameters are another model's.",
            expected=f"{one.parameter}, with a place {one.index}",
            got="nothing" if parameter is None else tuple(parameter.shape),
            remedy="choose them with this architecture and the same layers trained",
        )  # fmt: skip
    found: list[tuple[nn.Module, _Rule]] = []
    for module in model.modules():
        for name, own in module.named_parameters(recurse=False):
            if own is parameter:
                found.append((module, _rule(module, name, one)))
    return found


def _rule(module: nn.Module, name: str, one: Chosen) -> _Rule:
    if isinstance(module, nn.Linear):
        return _weight if name == "weight" else _bias
    if isinstance(module, nn.Embedding):
        return _row_of
    if len(one.index) == 1 and type(module).__name__.endswith(("RMSNorm", "LayerNorm")):
        return _scale if name == "weight" else _bias
    raise ConfigError(
        "Gradients of many samples at once are of known kinds of layers.",
        expected="linear layers, embeddings, layer norms and RMS norms",
        got=f"{one.layer}: {type(module).__name__}",
        remedy="take sagittal.score.fisher.layer_gradients",
    )  # fmt: skip


def _row(values: Tensor, shifts: _Shifts) -> NDArray[np.float64]:
    if shifts.values is None or values.shape != shifts.values.shape[:1] or not values.requires_grad:
        raise InputError(
            "Each sample of a batch has one log-likelihood that depends on the model.",
            expected="as many as the layers saw", got=tuple(values.shape),
        )  # fmt: skip
    [found] = torch.autograd.grad(values.sum(), [shifts.values])
    rows: NDArray[np.float64] = found.double().cpu().numpy()
    if not np.isfinite(rows).all():
        raise InputError("A log-likelihood has no finite gradient.", got="not a number, or infinite")
    return rows


def _restore(modes: dict[nn.Module, bool], wanted: dict[nn.Parameter, bool]) -> None:
    for module, training in modes.items():
        module.training = training
    for parameter, there in wanted.items():
        parameter.requires_grad_(there)
