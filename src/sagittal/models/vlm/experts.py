"""Experts inside any decoder of transformers: put in, filled from trained models, watched (MedPLIB)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from sagittal.errors import ConfigError
from sagittal.nn.expert_feed_forward import ExpertFeedForward, ExpertsConfig, Passing

_EXPERT = re.compile(r"\.mlp\.experts\.(\d+)\.")


def with_experts(language: nn.Module, config: ExpertsConfig) -> nn.Module:
    """The same model, changed in place: a mixture for each feed-forward, whose experts all begin as it.

    Raises:
        ConfigError: its layers have no feed-forward called ``mlp``, or more experts are asked than there are.
    """
    decoder: Any = language.get_decoder()  # type: ignore[operator]
    layers = getattr(decoder, "layers", ())
    if not layers or not all(isinstance(getattr(layer, "mlp", None), nn.Module) for layer in layers):
        raise ConfigError(
            "Experts take the place of each layer's feed-forward, and this decoder has none by that name.",
            expected="layers[n].mlp, as of Llama, Phi, Qwen, Mistral and Gemma",
            got=type(decoder).__name__,
        )
    if config.top > config.count:
        raise ConfigError("A token cannot go to more experts than there are.", got=config)
    passing = Passing()
    width = int(language.get_input_embeddings().weight.shape[1])  # type: ignore[operator]
    for layer in layers:
        experts = [layer.mlp, *(deepcopy(layer.mlp) for _ in range(1, config.count))]
        layer.mlp = ExpertFeedForward(experts, width, config, passing)
    decoder.register_forward_pre_hook(passing.note, with_kwargs=True)
    return language


def load_experts(
    model: nn.Module, rest: Mapping[str, Tensor], experts: Sequence[Mapping[str, Tensor]]
) -> None:
    """Fill a model with experts from dense models that were trained apart (Figure 3); routers are left alone.

    Args:
        model: holds a language model with experts.
        rest: weights of a dense model of the same make, for everything but the feed-forwards.
        experts: weights of dense models, one an expert, for the feed-forwards.

    Raises:
        ConfigError: another number of experts, or weights that are not there or of another shape.
    """
    numbers = {int(found[1]) for name in model.state_dict() if (found := _EXPERT.search(name))}
    if numbers != set(range(len(experts))):
        raise ConfigError(
            "Each expert comes from a model.", expected=f"{len(numbers)} models", got=len(experts)
        )
    filled = {}
    for name in model.state_dict():
        found = _EXPERT.search(name)
        if name.endswith(".mlp.router.weight"):
            continue
        dense = _EXPERT.sub(".mlp.", name)
        source = rest if found is None else experts[int(found[1])]
        if dense not in source:
            raise ConfigError("The dense model lacks a weight.", got=dense)
        filled[name] = source[dense]
    try:
        model.load_state_dict(filled, strict=False)
    except RuntimeError as error:
        raise ConfigError("The dense model is of another make.", got=str(error)[:300]) from error


@contextmanager
def routes_of(language: nn.Module) -> Iterator[list[Tensor]]:
    """Watch where tokens go: within the block, each forward adds (B, n) experts a layer, first layer first.

    −1 stands for a token that no expert took, and for padding.
    """
    passing = next(m.passing for m in language.modules() if isinstance(m, ExpertFeedForward))
    passing.routes = []
    try:
        yield passing.routes
    finally:
        passing.routes = None


def shares(routes: Sequence[Tensor], where: Tensor, experts: int) -> Tensor:
    """(layers, experts + 1) share of some tokens that each expert took, and last of those none took.

    Args:
        routes: of one forward, from :func:`routes_of`.
        where: (B, n) the tokens that are asked about, no padding among them.
        experts: of a layer.
    """
    counted = [torch.bincount(layer[where] % (experts + 1), minlength=experts + 1) for layer in routes]
    return torch.stack(counted) / where.sum()


def active_parameters(model: nn.Module) -> int:
    """Parameters that one token meets: of each mixture, ``top`` experts of ``count``."""
    total = sum(p.numel() for p in model.parameters())
    for module in model.modules():
        if isinstance(module, ExpertFeedForward):
            one = sum(p.numel() for p in module.experts[0].parameters())
            total -= (module.config.count - module.config.top) * one
    return total
