"""Which device a network computes on, and that data follow it."""

from dataclasses import dataclass
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from modalities.core import device as module
from modalities.core.device import (
    WORTH_A_GPU,
    batches_on,
    computing,
    device_for,
    device_of,
    device_problems,
    moved,
    place,
    rows_in,
)


class Bag(NamedTuple):
    tiles: Tensor
    case: Tensor
    n_cases: int


@dataclass(frozen=True)
class Held:
    by_name: dict[str, Tensor]
    weights: Tensor | None
    name: str


@pytest.fixture
def two_gpus(monkeypatch):
    """As far as choosing one goes."""
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: True)
    monkeypatch.setattr(module, "n_gpus", lambda: 2)


def a_bag(n_tiles: int = 5) -> Bag:
    return Bag(torch.ones(n_tiles, 3), torch.zeros(n_tiles, dtype=torch.int64), 2)


@pytest.mark.usefixtures("two_gpus")
def test_auto_takes_a_gpu_from_a_size_on_and_the_processor_below():
    n_rows = 64
    n_parameters = int(WORTH_A_GPU) // n_rows
    assert device_for("auto", lambda: n_parameters * n_rows).type == "cuda"
    assert device_for("auto", lambda: n_parameters * (n_rows - 1)).type == "cpu"
    assert device_for("cuda:1", lambda: 0) == torch.device("cuda", 1)
    assert device_for("cpu", lambda: n_parameters * n_rows).type == "cpu"


def test_auto_without_a_gpu_is_the_processor_whatever_the_size(monkeypatch):
    monkeypatch.setattr(module, "n_gpus", lambda: 0)
    assert device_for("auto", lambda: 1e9 * WORTH_A_GPU).type == "cpu"


def test_a_gpu_that_is_not_there_is_an_error_that_names_the_setting_and_a_way_out(monkeypatch):
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: False)
    with pytest.raises(ValueError, match=r"site\.yaml, resources\.device: cuda: torch \S+ finds no GPU.* CUDA build"):
        device_for("cuda", lambda: 1)
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: True)
    monkeypatch.setattr(module, "n_gpus", lambda: 0)
    with pytest.raises(ValueError, match=r"finds no GPU here; set auto or cpu, or see to it that `nvidia-smi`"):
        device_for("cuda:0", lambda: 1)


@pytest.mark.usefixtures("two_gpus")
def test_a_gpu_beyond_the_last_is_named_beside_those_that_are_there():
    (problem,) = device_problems("cuda:2")
    assert problem.what == "cuda:2: no such GPU; torch finds cuda:0, cuda:1"
    assert [device_problems(asked) for asked in ("cuda", "cuda:1", "auto", "cpu")] == [[], [], [], []]


def test_memory_that_runs_out_is_one_error_with_the_remedy_and_leaves_torch_as_it_was():
    def fails(error):
        with computing(torch.device("cuda", 1)):
            assert torch.are_deterministic_algorithms_enabled()
            raise error

    with pytest.raises(ValueError, match=r"memory of cuda:1 is not enough.*set resources\.device: cpu.* fewer workers"):
        fails(torch.OutOfMemoryError("CUDA out of memory"))
    assert not torch.are_deterministic_algorithms_enabled()
    with pytest.raises(ZeroDivisionError):
        fails(ZeroDivisionError())
    assert torch.utils.deterministic.fill_uninitialized_memory  # pyright: ignore[reportAttributeAccessIssue]


def test_tensors_move_wherever_they_stand_and_the_rest_stays():
    held = Held({"a": torch.ones(2)}, None, "east")
    there = moved({"bag": a_bag(), "list": [torch.ones(1), 7], "pair": (torch.ones(1), "x"), "held": held}, "meta")
    assert isinstance(there["bag"], Bag)
    assert [each.device.type for each in there["bag"][:2]] == ["meta", "meta"]
    assert (there["bag"].n_cases, there["list"][1], there["pair"][1]) == (2, 7, "x")
    assert (there["list"][0].device.type, there["pair"][0].device.type) == ("meta", "meta")
    assert (there["held"].by_name["a"].device.type, there["held"].weights, there["held"].name) == ("meta", None, "east")
    here = a_bag()
    assert moved(here, "cpu").tiles is here.tiles


def test_rows_are_those_that_go_through_the_network():
    assert rows_in(torch.ones(7, 900)) == 7
    assert rows_in(a_bag(11)) == 11
    assert rows_in({"a": torch.ones(3, 2), "b": [torch.ones(4, 2), torch.ones(900, dtype=torch.int64)]}) == 4
    assert rows_in((torch.tensor(1.0), 5)) == 0


def test_a_network_is_placed_by_the_rows_of_its_first_cases(monkeypatch):
    asked = []

    def device_for(wanted, work):
        asked.append((wanted, work()))
        return torch.device("meta")

    monkeypatch.setattr(module, "device_for", device_for)
    bags = [torch.ones(size, 3) for size in (2, 4, 6, 8, 2, 4, 6, 8, 900)]  # 5 tiles a case among the first eight
    network = nn.Linear(3, 4)
    assert place(network, "auto", lambda bags, rows: torch.cat([bags[row] for row in rows]), bags, 7).type == "meta"
    assert asked == [("auto", 16 * 35.0)]
    assert device_of(network).type == "meta"
    place(nn.Linear(1, 1), "cpu", lambda bags, rows: torch.cat([bags[row] for row in rows]), bags[:2], 512)
    assert asked[1] == ("cpu", 2 * 6.0)  # no batch holds more cases than there are


def test_batches_are_made_one_by_one_on_the_device_and_a_stray_tensor_would_be_seen():
    made = []

    def make(rows):
        made.append(rows.tolist())
        return torch.ones(9, 3)[rows], rows

    batches = batches_on(torch.device("meta"), make, torch.arange(5).split(2))
    network = nn.Linear(3, 2, device="meta")
    batch, labels = next(batches)
    assert made == [[0, 1]]
    assert network(batch).shape == (2, 2)
    assert labels.device.type == "meta"
    assert [len(labels) for _, labels in batches] == [2, 1]
    with pytest.raises(RuntimeError, match="meta"):
        network(torch.ones(2, 3)).sum().item()
