"""Does the device wait? Tiles a second of `prepare`, of the network alone, and of a DataLoader over OpenSlide.

`python -m benchmarks.pipeline`, under 8 minutes. On the GPU where torch finds one, with UNI's network (ViT-L) and
random weights. Else with a stand-in: a device that does nothing but wait, at `--speed` tiles a second. It shows whether
the readers keep up with such a device, and nothing about a GPU. Then on the CPU: `resnet18`, and `stain` beside a pool
of processes that prepare a slide each. Slides are made up, and lie in the page cache.
"""

import argparse
import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import openslide
import torch
from torch.utils.data import DataLoader, Dataset

from benchmarks.backbones import loaded
from benchmarks.measure import machine, tell
from benchmarks.slides import prepared, write_slide
from modalities.core.device import processors
from modalities.slides.backbones import Backbone, Network, backbone_of
from modalities.slides.backbones.fitting import Fit
from modalities.slides.backbones.table import encoders
from modalities.slides.config import SlidesConfig
from modalities.slides.prepare.job import Job
from modalities.slides.prepare.pace import Pace, Stopwatch
from modalities.slides.prepare.pipeline import prepare_all
from modalities.slides.prepare.prepare import prepare_slide
from modalities.slides.prepare.state import DONE

NETWORK, GOALS = "uni", {False: 2400.0, True: 1500.0}
"""Tiles a second without and with composition, on one H100 or H200 with 16 cores."""
ROW = encoders()[NETWORK]
GPU_BATCH, CPU_BATCH, LOADER_BATCH = 256, 32, 32


class StandIn:
    """A device that takes its time, and none of the processors'."""

    name, names, digest, licence, uses_nuclei, on_cpu = "stand-in", (), "", "none", False, False
    fit, n_threads = Fit(ROW.resized, ROW.pixels), 2

    def __init__(self, speed: float) -> None:
        self.speed, self.one_at_a_time = speed, threading.Lock()

    def encode(self, tiles: Sequence[np.ndarray], nuclei: Sequence[Any]) -> np.ndarray:
        return self.lane(len(tiles)).features(len(tiles))

    def lane(self, n_tiles: int) -> "StandInLane":
        return StandInLane(self, n_tiles)

    def at_work(self) -> AbstractContextManager[None]:
        return nullcontext()


class StandInLane:
    def __init__(self, device: StandIn, n_tiles: int) -> None:
        self._device = device
        self.pixels = np.zeros((n_tiles, ROW.pixels, ROW.pixels, 3), dtype=np.uint8)

    def features(self, n_tiles: int) -> np.ndarray:
        with self._device.one_at_a_time:
            time.sleep(n_tiles / self._device.speed)
        return np.zeros((n_tiles, ROW.width), dtype=np.float32)


def main() -> None:
    """Measure, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=processors(), help="readers; of 16 cores leave the parent one")
    parser.add_argument(
        "--slides", type=int, default=0, help="slides of some 550 tiles; 0: six a reader on a GPU, or 1"
    )
    parser.add_argument("--speed", type=float, default=400.0, help="of the stand-in, tiles/s")
    parser.add_argument("--compile", action="store_true", help="torch.compile on the GPU, to see whether it pays")
    parser.add_argument("--rounds", type=int, default=2, help="of stain and the pool, in turn")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        on_gpu = torch.cuda.is_available()
        device: Any = loaded(NETWORK, folder) if on_gpu else StandIn(arguments.speed)
        if on_gpu and arguments.compile:
            device._runner.network.compile()
        say_device(on_gpu, arguments)
        slides = written(folder, arguments.slides or arguments.workers * (6 if on_gpu else 1))
        bare = speed_alone(device, 2, GPU_BATCH) if on_gpu else arguments.speed
        print(f"network alone: {bare:.0f} tiles/s")
        for composition in (False, True):
            config = SlidesConfig(backbone=NETWORK, n_tiles=0, composition=composition)
            say("with" if composition else "without", piped(slides, device, config, arguments.workers), bare)
            print(goal(composition, on_gpu))
        print(
            f"DataLoader over OpenSlide, {arguments.workers} workers: {loader(slides, device, arguments.workers):.0f}"
        )
        on_cpu(folder, slides[: arguments.workers], arguments)


def on_cpu(folder: Path, slides: Sequence[Path], arguments: argparse.Namespace) -> None:
    """A network where there is no GPU, and `stain`."""
    few = SlidesConfig(backbone="resnet18", n_tiles=96)
    if not torch.cuda.is_available():
        network = cast(Network, loaded("resnet18", folder))
        bare = speed_alone(network, arguments.workers, CPU_BATCH)
        print(f"CPU, resnet18 alone in {arguments.workers} threads: {bare:.1f} tiles/s")
        say("with", piped(slides, network, few, arguments.workers), bare)
    config = SlidesConfig(n_tiles=192)
    ways: dict[str, Callable[[], float]] = {
        "pipeline": lambda: seconds(lambda: piped(slides, backbone_of(config), config, arguments.workers)),
        "pool": lambda: seconds(lambda: pooled(slides, config, arguments.workers)),
    }
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(arguments.rounds):
        for name in sorted(ways, reverse=bool(turn % 2)):
            spent[name].append(ways[name]())
    ratio = np.median(np.array(spent["pipeline"]) / np.array(spent["pool"]))
    print(f"CPU, stain, {len(slides)} slides of {config.n_tiles} tiles: pipeline / pool {ratio:.2f} in time (goal: 1)")


def say_device(on_gpu: bool, arguments: argparse.Namespace) -> None:
    """What it is measured on, first of all whether it is real."""
    print(f"{machine()}; {arguments.workers} readers")
    if on_gpu:
        print(f"device: {torch.cuda.get_device_name()}, {NETWORK}{', torch.compile' if arguments.compile else ''}")
    else:
        print(f"device: a STAND-IN that waits, {arguments.speed:.0f} tiles/s; no GPU was seen here")


def say(composition: str, pace: Pace, bare: float) -> None:
    """Speed of the pipeline, and what it waits for."""
    print(
        f"pipeline {composition} composition: {pace.tiles_s:.1f} tiles/s, {pace.tiles_s / bare:.0%} of the network "
        f"alone; device waited {pace.device_waits or 0:.0%}; slowest stage: {pace.slowest}"
    )


def goal(composition: bool, on_gpu: bool) -> str:
    """What it is to be, and where."""
    where = "this" if on_gpu else "not seen here"
    return f"  goal on one H100 or H200 with 16 cores and ViT-L: {GOALS[composition]:.0f} tiles/s ({where})"


def written(folder: Path, n: int) -> list[Path]:
    """One slide under many names."""
    tell(f"writing a slide with {n} names")
    first = write_slide(folder / "slide.svs", 0.5)
    paths = [folder / f"slide{number}.svs" for number in range(n)]
    for path in paths:
        os.link(first, path)
    return paths


def speed_alone(network: Network, n_lanes: int, n_tiles: int) -> float:
    """Tiles a second of the network, that never waits for any."""
    lanes = [network.lane(n_tiles) for _ in range(n_lanes)]
    for lane in lanes:
        lane.pixels[:] = np.random.default_rng(0).integers(0, 256, lane.pixels.shape, dtype=np.uint8)
    with network.at_work(), ThreadPoolExecutor(n_lanes) as threads:
        list(threads.map(lambda lane: lane.features(n_tiles), lanes))  # warms up
        began, n = time.perf_counter(), 0
        while n < 2 or time.perf_counter() - began < 10:
            list(threads.map(lambda lane: [lane.features(n_tiles) for _ in range(2)], lanes))
            n += 2 * n_lanes
        return n * n_tiles / (time.perf_counter() - began)


def jobs_of(slides: Sequence[Path], config: SlidesConfig, cache: Path) -> list[Job]:
    return [Job(path, "", 0.0, 0.0, config, cache, "recipe") for path in slides]


def piped(slides: Sequence[Path], backbone: Backbone, config: SlidesConfig, workers: int) -> Pace:
    """As `prepare` does it."""
    tell(f"pipeline: {backbone.name}, composition {config.composition}")
    pace = Pace()
    with tempfile.TemporaryDirectory() as cache:
        for _, state in prepare_all(jobs_of(slides, config, Path(cache)), workers, backbone, pace):
            if state.state != DONE:
                raise SystemExit(state.reason)
    return pace


def pooled(slides: Sequence[Path], config: SlidesConfig, workers: int) -> None:
    """As a pool of processes does it, each a slide at a time."""
    tell("pool of processes")
    with (
        tempfile.TemporaryDirectory() as cache,
        ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), cv2.setNumThreads, (1,)) as pool,
    ):
        list(pool.map(_whole_slide, jobs_of(slides, config, Path(cache))))


def _whole_slide(job: Job) -> None:
    prepare_slide(job, backbone_of(job.config), Stopwatch(), lambda _: None)


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


class Tiles(Dataset):
    """Tiles as most scripts read them."""

    def __init__(self, slides: Sequence[Path], side0: int, coords: np.ndarray) -> None:
        self.places = [(path, int(x), int(y)) for path in slides for x, y in coords]
        self.side0, self.path, self.slide = side0, Path(), cast(openslide.OpenSlide, None)

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> np.ndarray:
        path, x, y = self.places[index]
        if path != self.path:
            self.path, self.slide = path, openslide.OpenSlide(path)
        tile = self.slide.read_region((x, y), 0, (self.side0, self.side0)).convert("RGB")
        return np.array(tile.resize((ROW.pixels, ROW.pixels)))


def loader(slides: Sequence[Path], network: Network, workers: int) -> float:
    """Tiles a second of PyTorch's own loop."""
    tell("DataLoader")
    tiles = prepared(slides[0], SlidesConfig(n_tiles=0))
    lane, n, began = network.lane(LOADER_BATCH), 0, 0.0
    with network.at_work():
        batches = DataLoader(Tiles(slides, tiles.side0, tiles.coords), LOADER_BATCH, num_workers=workers)
        for batch in batches:
            began = began or time.perf_counter()  # from the first batch on: workers take seconds to start
            lane.pixels[: len(batch)] = batch.numpy()
            lane.features(len(batch))
            n += len(batch)
    return n / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
