"""What autograd keeps of a forward pass for its backward pass."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks


def kept(model: nn.Module, forward: Callable[[], object]) -> float:
    """GiB, counted once a storage, parameters left out."""
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    found: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            found[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        # Held until it is counted, so that no address is given away twice.
        output = forward()
    total = sum(found.values()) / 2**30
    del output
    return total
