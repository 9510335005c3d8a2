"""Where a network computes: on the processor or on a GPU. It is chosen once; batches follow it, and results come back.

Whatever travels or is written lies on the processor: `moved(..., CPU)` brings it there.
"""

import dataclasses
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from modalities.core.batches import parts, read_ahead
from modalities.core.fields import AUTO, CPU
from modalities.core.problems import Problem, check, unusable

GPU = "cuda"
WORTH_A_GPU = 1e8
"""Parameters times rows of a step from which `auto` takes a GPU; docs/performance.md has the measurement."""
_CASES_LOOKED_AT = 8
_WHERE = {"file": "site.yaml", "where": "resources.device"}


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def device_for(asked: str, work: Callable[[], float]) -> torch.device:
    """The device for a network, by what site.yaml asks for.

    `work` is its parameters times the rows that go through it in a step: cases, or the tiles or nodes of all cases of a
    batch. It is called only where the answer depends on it.

    Raises:
        ValueError: a GPU is asked for, and torch does not find it.
    """
    if asked == AUTO:
        is_worth_it = torch.backends.cuda.is_built() and work() >= WORTH_A_GPU
        asked = GPU if is_worth_it and n_gpus() else CPU
    elif asked != CPU:
        check(device_problems(asked))
    if asked != CPU:  # before cuBLAS is first used; without it, sums would depend on what else runs
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    return torch.device(asked)


def device_problems(asked: str) -> list[Problem]:
    """Why torch cannot compute on the device that site.yaml asks for; nothing where it can, or where any will do."""
    if asked in (AUTO, CPU):
        return []
    n_there, last = n_gpus(), int(asked.partition(":")[2] or 0)
    if last < n_there:
        return []
    if n_there:
        there = ", ".join(f"{GPU}:{number}" for number in range(n_there))
        return [Problem(f"{asked}: no such GPU; torch finds {there}", "name one of these, or set auto", **_WHERE)]
    remedy = "set auto or cpu, or see to it that `nvidia-smi` shows a GPU to the user that runs this"
    if not torch.backends.cuda.is_built():
        remedy = "set auto or cpu, or install torch's CUDA build of the same version"
    return [Problem(f"{asked}: torch {torch.__version__} finds no GPU here", remedy, **_WHERE)]


def place(
    network: nn.Module, asked: str, collate: Callable[[Any, Tensor], Any], prepared: Any, batch_size: int
) -> torch.device:
    """Move a network to the device for batches of so many of these cases, and say which it is.

    How many rows a case has is judged by the first few.

    Raises:
        ValueError: a GPU is asked for, and torch does not find it, or its memory is not enough.
    """

    def work() -> float:
        first = torch.arange(min(len(prepared), _CASES_LOOKED_AT))
        some = next((part.rows for part in parts(prepared, first, _CASES_LOOKED_AT)), first)
        rows = rows_in(collate(prepared, some)) / max(1, len(some)) * min(batch_size, len(prepared))
        return rows * sum(values.numel() for values in network.parameters())

    device = device_for(asked, work)
    if device != device_of(network):  # moving asks every module, even where none has to move
        with computing(device):
            network.to(device)
    return device


def device_of(network: nn.Module) -> torch.device:
    """Where the network's parameters are; the processor for one without any."""
    return next((values.device for values in network.parameters()), torch.device(CPU))


def batches_on(
    device: torch.device, make: Callable[[Tensor], Any], rows: Iterable[Tensor], ahead: bool = False
) -> Iterator[Any]:
    """What `make` gives of each batch's rows, on the device: the only way from a site's data into a network.

    `ahead` makes the next one while this one is used: worth a thread where `make` reads from a disk.
    """
    for batch in read_ahead(make, rows) if ahead else map(make, rows):
        yield moved(batch, device)


def moved(value: Any, device: torch.device | str) -> Any:
    """The value with its tensors on the device; one that is there already stays the same tensor.

    Tensors may stand in lists, tuples, dicts, dataclasses and named tuples, within each other. What moves itself with a
    method `to`, as PyTorch Geometric's batches do, is asked to.
    """
    if hasattr(value, "to"):
        return value.to(device)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        held = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return dataclasses.replace(value, **moved(held, device))
    if isinstance(value, Mapping):
        return {key: moved(own, device) for key, own in value.items()}
    if isinstance(value, list | tuple):
        each = [moved(own, device) for own in value]
        return type(value)(*each) if hasattr(value, "_fields") else type(value)(each)
    return value


def rows_in(batch: Any) -> int:
    """Rows of the longest tensor of numbers in a batch: its cases, or all tiles or nodes of its cases."""
    if isinstance(batch, Tensor):
        return len(batch) if batch.ndim and batch.is_floating_point() else 0
    if isinstance(batch, Mapping):
        return max(map(rows_in, batch.values()), default=0)
    if isinstance(batch, list | tuple):
        return max(map(rows_in, batch), default=0)
    return rows_in(batch.to_dict()) if hasattr(batch, "to_dict") else 0


def computing(device: torch.device) -> AbstractContextManager[None]:
    """Let a GPU give the same numbers every time, and say in one word, with the remedy, that its memory is too small.

    Raises:
        ValueError: the memory is too small.
    """
    return nullcontext() if device.type == CPU else _computing_on_gpu(device)


@contextmanager
def _computing_on_gpu(device: torch.device) -> Iterator[None]:
    before, warns = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = torch.utils.deterministic
    fills = memory.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    memory.fill_uninitialized_memory = False  # nothing here reads what it did not write
    try:
        yield
    except torch.OutOfMemoryError as error:
        what = f"the memory of {device} is not enough for this branch and its batch"
        remedy = "set resources.device: cpu, or end what else uses that GPU (`nvidia-smi` shows it)"
        raise unusable(what, f"{remedy}; in a simulation, set device: cpu or fewer workers", **_WHERE) from error
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warns)
        memory.fill_uninitialized_memory = fills


def n_gpus() -> int:
    """How many GPUs torch can use."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a driver that does not fit: then there is none
        return torch.cuda.device_count() if torch.cuda.is_available() else 0
