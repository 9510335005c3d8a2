"""Training on bags that stay on the disk: memory, and time beside the same bags in memory.

`python -m benchmarks.bags` makes a site of 200 cases of 10,000 tiles by 1,536 features (6 GB of float16, and as much
again on the site's shelf; both are removed), and trains gated attention over all tiles in a process of its own. Then
bags on the disk and in memory take turns, epoch by epoch, and a step is measured by the size of a bag.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import torch

from benchmarks.measure import machine, quartiles, tell
from client.study.training import optimiser_of, train_epoch
from modalities import wsi_image
from modalities.core.blocks.branch import build_branch
from modalities.core.blocks.streamed import Scale, ScaledRows, one_after_the_other
from modalities.core.contract import Source, State
from modalities.core.files.rows import OpenFile, RowsOfFile
from modalities.core.settings.federation import Federation, federation_from
from modalities.core.settings.site import Policy, write_site
from modalities.core.site.shelf import Shelf
from modalities.core.site.store import BranchData, SiteData

CLASSES, SIZES = ["A", "B"], (100, 1000, 10_000, 50_000)
_MIB, _SAMPLED_S = 1024, 0.02


def federation(pooling: str) -> Federation:
    """All tiles, one branch, nothing held out."""
    image = {"slides": {"n_tiles": 0, "backbone": "uni2-h"}, "pooling": pooling}
    settings = {"task": {"classes": CLASSES}, "fusion": {"fit": "none"}, "modalities": {"wsi_image": image}}
    return federation_from(settings)


def write(folder: Path, n_cases: int, n_tiles: int, n_features: int) -> None:
    """A site with a feature file a case; a feature of one tile in fifty tells the class."""
    rng, case_ids = np.random.default_rng(0), [f"case-{number:04d}" for number in range(n_cases)]
    (folder / "features").mkdir(parents=True)
    noise = rng.normal(0, 1, (n_tiles, n_features)).astype(np.float16)
    for number, case_id in enumerate(case_ids):
        features = np.roll(noise, int(rng.integers(noise.size)))
        features[::50, number % len(CLASSES)] += 2
        with h5py.File(folder / "features" / f"{case_id}.h5", "w") as file:
            file["features"] = features
            file["coords"] = np.stack([np.arange(n_tiles), np.arange(n_tiles)], axis=1) * 256
    labels = [CLASSES[number % len(CLASSES)] for number in range(n_cases)]
    cases = pd.DataFrame({"case_id": case_ids, "label": labels, "split": "train"})
    write_site(folder, "bags", cases, {"wsi_image": Source((folder / "features",))}, Policy(min_cohort=0, min_cell=0))


@contextmanager
def watched(what: str, said: dict[str, dict[str, float]]) -> Iterator[None]:
    """Seconds of the block, and the most that it held meanwhile: VmHWM counts mapped files, RssAnon does not."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # VmHWM begins anew
    ended, most = threading.Event(), [0.0]

    def sample() -> None:
        while not ended.wait(_SAMPLED_S):
            most[0] = max(most[0], status("RssAnon"))

    sampling = threading.Thread(target=sample)
    sampling.start()
    began = time.perf_counter()
    yield
    seconds = time.perf_counter() - began
    ended.set()
    sampling.join()
    said[what] = {"seconds": seconds, "VmHWM": status("VmHWM"), "RssAnon": most[0]}


def status(name: str) -> float:
    """A line of this process's memory, in MiB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / _MIB


def trained(folder: Path, pooling: str, epochs: int) -> None:
    """What a site does in a study: read, sums, copy to the shelf, train; each with its time and memory."""
    said: dict[str, dict[str, float]] = {}
    settings = federation(pooling)
    config = settings.modalities["wsi_image"]
    data = SiteData(folder, settings, shelf=Shelf(folder / ".tessera" / "prepared"))
    with watched("read", said):
        cases = data.values("wsi_image")
    with watched("sums", said):
        state = wsi_image.finalise(wsi_image.sums(cases, config), config)  # pyright: ignore[reportArgumentType]
    with watched("copy to the shelf", said):
        data.training("wsi_image", state)
    kept = SiteData(folder, settings, data.roll, Shelf(folder / ".tessera" / "prepared"))
    with watched("open the shelf", said):
        training = kept.training("wsi_image", state)
    epoch = epochs_of(training, state, pooling)
    for number in range(epochs):
        with watched(f"epoch {number + 1}", said):
            epoch()
    print(json.dumps(said))


def epochs_of(data: BranchData, state: State, pooling: str, batch_size: int = 0) -> Callable[[], float]:
    """A fresh branch, and what trains it for an epoch; by default in batches as federation.yaml's default has them."""
    config, rows = federation(pooling).modalities["wsi_image"], np.arange(len(data.labels))
    branch = build_branch(config, state, len(CLASSES), seed=0)
    optimiser = optimiser_of("adam", branch, 1e-3, config.training.weight_decay)
    return lambda: train_epoch(branch, data, rows, optimiser, batch_size or len(rows))


def beside_memory(n_tiles: int, n_features: int, pooling: str, n_cases: int, rounds: int) -> dict[str, object]:
    """Milliseconds a bag of bags on the disk and in memory in turn, in batches of at most 32 bags and 20,000 tiles.

    The ratios are of the seconds of all threads and of the clock; on a busy machine, trust the former.
    """
    state = {"mean": np.zeros(n_features), "inverse_scale": np.ones(n_features)}
    with tempfile.TemporaryDirectory() as folder:
        path, labels = Path(folder) / "rows", torch.arange(n_cases) % len(CLASSES)
        noise = np.random.default_rng(0).normal(0, 1, (n_tiles, n_features)).astype(np.float16)
        path.write_bytes(noise.tobytes() * n_cases)
        file, scale, size = OpenFile(path), Scale.of(state, 4.0), noise.nbytes
        disk = [
            ScaledRows(RowsOfFile(file, number * size, (n_tiles, n_features), torch.float16), scale)
            for number in range(n_cases)
        ]
        ways = {"disk": disk, "memory": [one_after_the_other([bag]) for bag in disk]}
        folds, ids = np.zeros(n_cases, np.int64), tuple(map(str, range(n_cases)))
        batch_size = max(1, min(32, 20_000 // n_tiles))
        epochs = {
            way: epochs_of(BranchData(ids, bags, labels, folds, wsi_image.collate), state, pooling, batch_size)
            for way, bags in ways.items()
        }
        spent: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
        for number in range(rounds + 1):  # the first warms up
            for way in sorted(ways, reverse=bool(number % 2)):
                began = time.process_time(), time.perf_counter()
                epochs[way]()
                took = time.process_time() - began[0], time.perf_counter() - began[1]
                spent[way] += [took] * bool(number)
    disk, memory = (np.array(spent[way]) * 1e3 / n_cases for way in ("disk", "memory"))
    cpu, wall = (quartiles(ratios) for ratios in (disk / memory).T)
    middle = {"disk": float(np.median(disk[:, 0])), "memory": float(np.median(memory[:, 0]))}
    return {"tiles": n_tiles, **middle, "cpu": cpu, "wall": wall}


def apart(arguments: argparse.Namespace, **more: object) -> dict:
    """What a process of its own prints of one part."""
    given = {**vars(arguments), **more}
    command = [sys.executable, "-m", "benchmarks.bags"]
    command += [f"--{name}={value}" for name, value in given.items() if value]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(run.stdout.splitlines()[-1])


def main() -> None:
    """Print both tables; exit code 1 where memory or time is more than was promised."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--tiles", type=int, default=10_000)
    parser.add_argument("--features", type=int, default=1536)
    parser.add_argument("--pooling", default="attention")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", default="", help="where 12 GB can lie for a while; default: the temporary folder")
    parser.add_argument("--part", default="", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.part == "train":
        trained(Path(asked.folder), asked.pooling, asked.epochs)
        return
    if asked.part:
        size = int(asked.part)
        n_cases = max(4, min(64, 200_000 // size))
        print(json.dumps(beside_memory(size, asked.features, asked.pooling, n_cases, asked.rounds)))
        return
    print(f"{asked.cases} bags of {asked.tiles:,} x {asked.features:,}, {asked.pooling}; {machine()}")
    with tempfile.TemporaryDirectory(dir=asked.folder or None) as folder:
        tell("writing the features")
        write(Path(folder) / "site", asked.cases, asked.tiles, asked.features)
        tell("training")
        said = apart(asked, part="train", folder=Path(folder) / "site")
    for what, own in said.items():
        print(
            f"{what:>18}: {own['seconds']:7.1f} s   VmHWM {own['VmHWM']:6.0f} MiB   RssAnon {own['RssAnon']:6.0f} MiB"
        )
    rows = []
    for size in SIZES:
        tell(f"bags of {size:,} tiles")
        rows.append(apart(asked, part=size))
        print(
            f"{size:>7,} tiles: {rows[-1]['disk']:8.1f} ms of CPU a bag from the disk, {rows[-1]['memory']:8.1f} from "
            f"memory; ratio {_said(rows[-1]['cpu'])}, by the clock {_said(rows[-1]['wall'])}"
        )
    most = max(own["VmHWM"] for own in said.values())
    sys.exit(int(most > 2 * _MIB or next(row for row in rows if row["tiles"] == 10_000)["cpu"][1] > 1.3))


def _said(ratio: Sequence[float]) -> str:
    low, middle, high = ratio
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main()
