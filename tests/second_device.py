"""A second device for tests on a machine without a GPU: it computes on the processor, and mixes with it no better.

A tensor "on" it wraps one of the processor. An operation that gets tensors of both is an error, as on a GPU, numbers
without a dimension aside; so are numpy's eyes on it. What the network computes is then, to the bit, what the processor
would have, so that only misplaced tensors are seen here: neither another order of sums nor a GPU's own random numbers.

torch keeps the device until the process ends, and then starts threads that do not survive a fork: import this in a
process of its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "standin"
_setup_privateuseone_for_python_backend(NAME)  # at once: torch looks for devices when it first goes backward
_COPIES = (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)


class Placed(torch.Tensor):
    """A tensor on the second device."""

    inner: torch.Tensor

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> "Placed":
        laid_out = {"strides": inner.stride(), "storage_offset": inner.storage_offset()}
        return torch.Tensor._make_wrapper_subclass(cls, inner.shape, dtype=inner.dtype, device=NAME + ":0", **laid_out)

    def __init__(self, inner: torch.Tensor) -> None:
        self.inner = inner

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if getattr(func, "__name__", "") == "__set__" and isinstance(args[1], Placed):  # `tensor.data = other`
            args[0].inner = args[1].inner
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **(kwargs or {}))

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _computed(func, args, kwargs or {})


class _WithSecondDevice(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return _computed(func, args, kwargs or {})


@contextmanager
def second_device() -> Iterator[torch.device]:
    """The device, as long as the block lasts."""
    with _WithSecondDevice():
        yield torch.device(NAME, 0)


def _computed(func: Any, args: Any, kwargs: Any) -> Any:
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    placed = [tensor for tensor in tensors if isinstance(tensor, Placed)]
    strayed = [tuple(one.shape) for one in tensors if one.ndim and not isinstance(one, Placed)]
    if placed and strayed and func not in _COPIES:
        raise RuntimeError(f"{func}: tensors on two devices; on the processor are those of the shapes {strayed}")
    asked = kwargs.get("device")
    stays = bool(placed) if asked is None else torch.device(asked).type == NAME
    if asked is not None:
        kwargs = {**kwargs, "device": "cpu"}
    inner_args, inner_kwargs = tree_map_only(Placed, lambda one: one.inner, (args, kwargs))
    found = func(*inner_args, **inner_kwargs)
    if func._schema.is_mutable:
        return args[0] if func._schema.returns else None
    return tree_map_only(torch.Tensor, Placed, found) if stays else found
