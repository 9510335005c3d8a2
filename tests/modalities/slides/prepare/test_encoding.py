"""Batches of a GPU's kind and of a CPU's, with a network of ours that says what it was given."""

import threading
import time
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from modalities.slides.backbones import Network
from modalities.slides.backbones.fitting import Fit
from modalities.slides.backbones.running import DeviceLane, GaveUpError, Runner
from modalities.slides.backbones.table import encoders
from modalities.slides.bags import TileFeatures
from modalities.slides.config import SlidesConfig
from modalities.slides.prepare.encoding import Encoding, Underway
from modalities.slides.prepare.job import Job
from modalities.slides.prepare.pace import Pace
from modalities.slides.prepare.prepare import Failure, Seen
from modalities.slides.tissue.tiles import Tiles
from tests.modalities.slides.backbones.networks import needs_timm, random_network, tiles_of

SIDE = 6


class Sums:
    """A network whose feature is the sum of a tile's pixels; it waits until it may begin."""

    name, names, digest, licence, uses_nuclei = "sums", (), "", "none", False
    fit, n_threads = Fit(SIDE, SIDE), 3

    def __init__(self, on_cpu):
        self.on_cpu, self.batches, self.may_begin = on_cpu, [], threading.Event()
        self.may_begin.set()

    def encode(self, tiles, nuclei):
        raise AssertionError("batches go through lanes")

    def at_work(self):
        return nullcontext()

    def lane(self, n_tiles):
        return SumsLane(self, n_tiles)


class SumsLane:
    def __init__(self, network, n_tiles):
        self.network, self.pixels = network, np.zeros((n_tiles, SIDE, SIDE, 3), dtype=np.uint8)

    def features(self, n_tiles):
        assert self.network.may_begin.wait(60)
        self.network.batches.append(n_tiles)
        if 255 in self.pixels[:n_tiles]:
            raise RuntimeError("too bright")
        return self.pixels[:n_tiles].astype(np.float32).sum(axis=(1, 2, 3))[:, None]


def underway(tmp_path, number):
    return Underway(Job(tmp_path / f"s{number}.svs", "", 0.5, 0.0, SlidesConfig(), tmp_path, "recipe"))


def seen(n_tiles):
    return Seen(Tiles(np.zeros((n_tiles, 2), np.int64), np.ones(n_tiles, np.float32), SIDE), 0.5, (1, 1), None)


def pixels_of(rng, n_tiles):
    return rng.integers(0, 250, (n_tiles, SIDE, SIDE, 3), dtype=np.uint8)


def encoded(network, tmp_path, sizes):
    """Slides whose tiles come in turns, 32 at most, and their pixels."""
    rng, pace = np.random.default_rng(0), Pace()
    slides = {underway(tmp_path, number): pixels_of(rng, n_tiles) for number, n_tiles in enumerate(sizes)}
    with Encoding(network, 0, pace) as encoding:
        for start in range(0, max(sizes), 32):
            for slide, pixels in slides.items():
                if start < len(pixels):
                    while not encoding.has_room:
                        encoding.wait()
                    encoding.add(slide, pixels[start : start + 32])
        encoding.drain()
    for slide, pixels in slides.items():
        assert not slide.is_whole
        slide.read(seen(len(pixels)))
        assert slide.is_whole
    assert pace.n_tiles == sum(sizes)
    assert pace.device_waits is not None
    assert 0 <= pace.device_waits < 1
    return slides


def test_a_stand_in_is_taken_for_a_network():
    assert isinstance(Sums(on_cpu=True), Network)


@pytest.mark.parametrize(
    ("on_cpu", "batches"),
    [
        (True, [32] * 9 + [13, 11, 3]),
        (False, [3 + 7 * 32, 13 + 2 * 32 + 11]),
    ],
    ids=["a CPU's are of one slide", "a GPU's are of many"],
)
def test_features_come_back_to_the_tiles_of_their_slides(tmp_path, on_cpu, batches):
    network = Sums(on_cpu)
    for slide, pixels in encoded(network, tmp_path, [141, 171, 3]).items():
        found = slide.features(network)
        assert isinstance(found, TileFeatures)
        assert np.array_equal(found.features[:, 0], pixels.astype(np.float32).sum(axis=(1, 2, 3)))
    assert sorted(network.batches) == sorted(batches)


def test_a_gpus_batch_that_the_next_tiles_do_not_fit_into_goes_off_as_it_is(tmp_path):
    network = Sums(on_cpu=False)
    encoded(network, tmp_path, [5, 32 * 8 - 1])
    assert network.batches == [5 + 7 * 32, 31]


@pytest.mark.parametrize(("on_cpu", "most"), [(True, 4 * 32), (False, 3 * 256)])
def test_a_device_that_stands_still_is_given_no_more_than_its_lanes_hold(tmp_path, on_cpu, most):
    network, rng = Sums(on_cpu), np.random.default_rng(1)
    network.may_begin.clear()
    slide, taken = underway(tmp_path, 0), 0
    with Encoding(network, 0, Pace()) as encoding:
        while encoding.has_room and taken < 9999:
            encoding.add(slide, pixels_of(rng, 32))
            taken += 32
        network.may_begin.set()
        encoding.drain()
    assert taken == most


def test_a_batch_that_fails_fails_the_slides_that_it_holds_and_no_other(tmp_path):
    network = Sums(on_cpu=True)
    good, bad = underway(tmp_path, 0), underway(tmp_path, 1)
    with Encoding(network, 0, Pace()) as encoding:
        encoding.add(good, np.zeros((3, SIDE, SIDE, 3), np.uint8))
        encoding.add(bad, np.full((2, SIDE, SIDE, 3), 255, np.uint8))
        encoding.drain()
    for slide, n_tiles in ((good, 3), (bad, 2)):
        slide.read(seen(n_tiles))
    assert isinstance(good.features(network), TileFeatures)
    assert bad.features(network) == Failure("RuntimeError: too bright")


def runner_of(network, name="uni", halves=False):
    return Runner(encoders()[name], network, torch.device("cpu"), halves)


class Slow(nn.Module):
    """Hours of layers."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(*[Nap() for _ in range(9999)])

    def forward(self, pixels):
        return self.layers(pixels.mean(dim=(2, 3)))


class Nap(nn.Module):
    def forward(self, values):
        time.sleep(0.5)
        return values


def test_a_batch_on_a_cpu_that_nobody_waits_for_ends_with_its_layer(tmp_path):
    network: Any = Sums(on_cpu=True)
    runner = runner_of(Slow())
    network.lane = lambda n_tiles: DeviceLane(runner, n_tiles, SIDE)
    network.at_work = runner.at_work
    began = time.monotonic()
    with Encoding(network, 2, Pace()) as encoding:
        encoding.add(underway(tmp_path, 0), np.zeros((1, SIDE, SIDE, 3), np.uint8))
        (future,) = encoding._running
    assert isinstance(future.exception(), GaveUpError)
    assert time.monotonic() - began < 60


class FewAtOnce(nn.Module):
    def __init__(self, most):
        super().__init__()
        self.most, self.sizes = most, []

    def forward(self, pixels):
        self.sizes.append(len(pixels))
        if len(pixels) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return pixels.mean(dim=(2, 3))


def test_a_device_with_too_little_memory_for_a_batch_takes_it_in_parts():
    tiles = torch.from_numpy(np.stack(tiles_of(8, 7)))
    network = FewAtOnce(2)
    found = runner_of(network).features(tiles, 0)
    assert network.sizes == [7, 3, 1, 2, 4, 2, 2]
    assert torch.allclose(found, runner_of(FewAtOnce(7)).features(tiles, 0))
    with pytest.raises(torch.OutOfMemoryError, match="CUDA out of memory"):
        runner_of(FewAtOnce(0)).features(tiles, 0)


@needs_timm
@pytest.mark.parametrize(
    ("name", "network"), [("uni", "vit_small_patch16_224"), ("resnet18", "resnet18")], ids=["a transformer", "a ResNet"]
)
def test_in_bfloat16_as_on_a_gpu_features_point_where_they_do_in_single_precision(name, network):
    tiles = torch.from_numpy(np.stack(tiles_of(224, 5)))
    single = runner_of(random_network(network), name).features(tiles, 0)
    found = runner_of(random_network(network), name, halves=True).features(tiles, 0)
    assert found.dtype == torch.float32
    assert not torch.equal(found, single)
    assert torch.nn.functional.cosine_similarity(found, single).min() >= 0.9999


def test_threads_of_torch_are_those_of_before_once_the_work_is_done():
    before, runner = torch.get_num_threads(), runner_of(FewAtOnce(1))
    torch.set_num_threads(3)
    try:
        with runner.at_work():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
