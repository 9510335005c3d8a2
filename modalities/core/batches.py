"""Batches that are read from a disk: in parts that fit in memory, each read while the one before is used."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from jaxtyping import Int64
from torch import Tensor

from modalities.core.files.rows import OnDisk

PART_BYTES = 128_000_000
"""What a part holds at most, unless one case alone has more."""
_T = TypeVar("_T")


@dataclass(frozen=True)
class Part:
    """A batch, or as much of one as is read at once."""

    rows: Int64[Tensor, " row"]
    share: float
    """Of the batch's cases: a batch's mean loss is the sum of its parts', each times its share."""
    is_first: bool
    is_last: bool


def is_on_disk(prepared: Any) -> bool:
    """Whether rows of some case are read when a batch wants them."""
    return isinstance(prepared, list) and any(isinstance(case, OnDisk) for case in prepared)


def parts(prepared: Any, order: Int64[Tensor, " row"], batch_size: int) -> list[Part]:
    """The rows in batches of this size; each is one part, but where cases are on a disk as many as memory wants."""
    split = _in_parts if is_on_disk(prepared) else _whole
    found = []
    for batch in order.split(batch_size):
        groups = [rows for rows in split(prepared, batch) if len(rows)]
        last = len(groups) - 1
        found += [Part(rows, len(rows) / len(batch), place == 0, place == last) for place, rows in enumerate(groups)]
    return found


def _whole(prepared: Any, batch: Int64[Tensor, " batch"]) -> list[Int64[Tensor, " row"]]:
    return [batch]


def _in_parts(prepared: Any, batch: Int64[Tensor, " batch"]) -> list[Int64[Tensor, " row"]]:
    sizes, held = [0], 0
    for row in batch.tolist():
        more = prepared[row].nbytes
        if sizes[-1] and held + more > PART_BYTES:
            sizes, held = [*sizes, 0], 0
        sizes[-1] += 1
        held += more
    return list(batch.split(sizes))


def read_ahead(make: Callable[[Tensor], _T], rows: Iterable[Tensor]) -> Iterator[_T]:
    """What `make` gives of each rows, in order; a thread makes the next while the caller works with this one."""
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as thread:
        coming = None
        for some in rows:
            ready, coming = coming, thread.submit(make, some)
            if ready is not None:
                yield ready.result()
                del ready
        if coming is not None:
            yield coming.result()
