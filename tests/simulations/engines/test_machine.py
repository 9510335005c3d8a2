"""How parts of a simulation share a machine."""

import os

import pytest

from simulations.engines import machine
from simulations.engines.machine import see_one_gpu


@pytest.mark.parametrize(
    ("visible", "n_there", "number", "seen"),
    [
        (None, 3, 4, "1"),
        ("5,GPU-8f2,7", 3, 4, "GPU-8f2"),
        ("5,6", 2, 2, "5"),
        ("6", 1, 3, "6"),
        (None, 0, 1, None),
    ],
)
def test_processes_side_by_side_take_gpus_in_turn(visible, n_there, number, seen, monkeypatch):
    monkeypatch.setattr(machine, "n_gpus", lambda: n_there)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    see_one_gpu(number)
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == seen
