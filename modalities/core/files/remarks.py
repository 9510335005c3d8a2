"""What the reading of a file leaves to say beside its contents: an encoding that was told, a sheet that was not read.

Readers say it where they see it, far below whoever asked; who wants to know listens.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from modalities.core.problems import Problem

_LISTENERS: ContextVar[tuple[list[Problem], ...]] = ContextVar("listeners", default=())


@contextmanager
def remarked() -> Iterator[list[Problem]]:
    """The warnings and notes of all files that are read in the block; of a file that is read twice, once."""
    heard: list[Problem] = []
    token = _LISTENERS.set((*_LISTENERS.get(), heard))
    try:
        yield heard
    finally:
        _LISTENERS.reset(token)


def remark(problem: Problem) -> None:
    """Say it to whoever listens."""
    for heard in _LISTENERS.get():
        if problem not in heard:
            heard.append(problem)
