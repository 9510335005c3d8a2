"""What this machine lets a simulation use, and how a part of one behaves beside others."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from logging import getLogger

import torch

SITE_NOTES = "tessera.client.data"
"""The log of what sites lack, which a command says once, by their names."""


@contextmanager
def side_by_side() -> Iterator[None]:
    """One thread, since folds and arms run side by side; and no word, in each anew, of what sites lack."""
    torch.set_num_threads(1)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    notes = getLogger(SITE_NOTES)
    before, notes.disabled = notes.disabled, True
    try:
        yield
    finally:
        notes.disabled = before
