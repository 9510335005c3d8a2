"""A Flower Array whose bytes are made only when somebody asks for them.

Flower's is a dataclass that holds bytes. Not public, and needed here: its fields lie in `__dict__` under their names,
and it writes its class's name into what it sends, by which the receiver looks the class up.
"""

from functools import cache
from typing import Any

import numpy as np
from flwr.app import Array


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
