"""What this machine lets a simulation use, and how a part of one behaves beside others."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from logging import getLogger

import torch

from modalities.core.device import n_gpus

_VISIBLE = "CUDA_VISIBLE_DEVICES"
SITE_NOTES = "tessera.client.data"
"""The log of what sites lack, which a command says once, by their names."""


def see_one_gpu(number: int) -> None:
    """Of several GPUs, let this process see one alone: processes side by side take them in turn, by their number.

    It must come before torch first uses a GPU; counting them does not.
    """
    there = n_gpus()
    if there > 1:
        names = os.environ.get(_VISIBLE, ",".join(map(str, range(there)))).split(",")
        os.environ[_VISIBLE] = names[number % there]


@contextmanager
def side_by_side() -> Iterator[None]:
    """One thread, since folds and arms run side by side; and no word, in each anew, of what sites lack.

    The memory of a GPU that is not needed any more is given back, for the processes beside this one.
    """
    torch.set_num_threads(1)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    notes = getLogger(SITE_NOTES)
    before, notes.disabled = notes.disabled, True
    try:
        yield
    finally:
        notes.disabled = before
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()
