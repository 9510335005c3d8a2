"""A Flower Array whose bytes are made only when somebody asks for them, and digests of arrays.

Flower's is a dataclass that holds bytes. Not public, and needed here: its fields lie in `__dict__` under their names,
and it writes its class's name into what it sends, by which the receiver looks the class up.
"""

import hashlib
from functools import cache
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord


@cache
def _name_of(dtype: np.dtype) -> str:
    """`float32`: NumPy takes longer to spell it out than all else here does."""
    return str(dtype)


class LazyArray(Array):
    """Keeps the ndarray and serialises it only when its bytes are asked for.

    In one process nobody asks, which saves two copies of every model each way. The ndarray is shared, so receivers
    copy before they write.
    """

    def __init__(self, ndarray: np.ndarray) -> None:
        self.__dict__.update(
            dtype=_name_of(ndarray.dtype), shape=tuple(ndarray.shape), stype="numpy.ndarray", held=ndarray
        )

    @property
    def data(self) -> bytes:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The array in NumPy's own format, made at first use."""
        if "_data" not in self.__dict__:
            self.__dict__["_data"] = Array(self.__dict__["held"]).data
        return self.__dict__["_data"]

    def numpy(self) -> np.ndarray:
        """The ndarray itself."""
        return self.__dict__["held"]

    def __reduce__(self) -> tuple[Any, ...]:
        """Cross processes as a plain Array."""
        return Array, (self.dtype, self.shape, self.stype, self.data)


# Flower writes the class name into the bytes and looks it up when it reads them.
LazyArray.__qualname__ = Array.__qualname__


def sha256_of(array: Array) -> str:
    """SHA-256 of the values, in hexadecimal digits; of an array worked out once, since several ask for it."""
    kept = array.__dict__
    if "_sha256" not in kept:
        values = np.ascontiguousarray(array.numpy())
        kept["_sha256"] = hashlib.sha256(values.reshape(-1).view(np.uint8).data).hexdigest()
    return kept["_sha256"]


def sha256_of_record(record: ArrayRecord) -> str:
    """SHA-256 over names, types, shapes and values, in the order of the names."""
    lines = [f"{name} {array.dtype} {list(array.shape)} {sha256_of(array)}\n" for name, array in sorted(record.items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
