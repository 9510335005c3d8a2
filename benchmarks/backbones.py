"""Tiles a second of backbones, and how much of a slide's time the device waits for tiles.

`python -m benchmarks.backbones stain resnet18`, on the GPU where torch finds one, else on the CPU. The steps are those
of a worker of `prepare`, on a made-up slide: read a batch, look at it (sharpness, nuclei), encode it. Seconds are those
of the processor where it does all, so that a busy machine changes little, and those of the clock where a GPU encodes.
`stain` needs the nuclei and is never a GPU's work. Names of timm need timm; random weights cost what others do.
"""

import argparse
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import save_file

from benchmarks.measure import quartiles
from benchmarks.slides import prepared, write_slide
from modalities.slides.backbones import Backbone, backbone_of
from modalities.slides.config import SlidesConfig
from modalities.slides.nuclei.nuclei import nuclei_in
from modalities.slides.reading.reading import open_slide
from modalities.slides.tissue.quality import sharpness
from modalities.slides.tissue.tiles import Tiles

BATCH = 64


def main() -> None:
    """Measure, and print a line a backbone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("backbones", nargs="*", default=["stain"])
    parser.add_argument("--tiles", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    config = SlidesConfig(n_tiles=arguments.tiles)
    with tempfile.TemporaryDirectory() as folder:
        path = write_slide(Path(folder) / "slide.svs", 0.5)
        tiles = prepared(path, config)
        backbones = [loaded(name, Path(folder)) for name in arguments.backbones]
        rounds = [[steps(path, tiles, one, config) for one in backbones] for _ in range(arguments.rounds + 1)]
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU, one thread"
    print(f"{len(tiles.coords)} tiles of {config.tile_px} pixels, {arguments.rounds} rounds; device: {device}")
    for at, backbone in enumerate(backbones):
        say(backbone, np.array([spent[at] for spent in rounds[1:]]), len(tiles.coords))  # the first round warms up


def loaded(name: str, folder: Path) -> Backbone:
    """The backbone as a site loads it, from a file of random weights."""
    if name != "stain":
        from modalities.slides.backbones.importing import import_timm
        from modalities.slides.backbones.networks import built
        from modalities.slides.backbones.table import encoders

        row = encoders().get(name)
        try:
            network = built(row) if row else import_timm().create_model(name, num_classes=0)
        except (ImportError, RuntimeError) as error:
            raise SystemExit(
                f"{name}: no such backbone here ({error}); docs/slides.md says how to install timm"
            ) from None
        save_file(network.state_dict(), folder / f"{name}.safetensors")
    return backbone_of(SlidesConfig(backbone=name), str(folder))


def steps(path: Path, tiles: Tiles, backbone: Backbone, config: SlidesConfig) -> tuple[float, float, float]:
    """Seconds of reading, of looking (sharpness, nuclei) and of encoding; `encode` returns when the device is done."""
    now = time.perf_counter if torch.cuda.is_available() else time.process_time
    spent = np.zeros(3)
    with open_slide(path) as slide:
        for start in range(0, len(tiles.coords), BATCH):
            batch = tiles.coords[start : start + BATCH]
            began = now()
            pixels = [slide.tile(int(x), int(y), tiles.side0, config.tile_px) for x, y in batch]
            read = now()
            for tile in pixels:
                sharpness(tile)
            nuclei = [nuclei_in(tile, config.um_px) for tile in pixels]
            looked = now()
            backbone.encode(pixels, nuclei)
            spent += (read - began, looked - read, now() - looked)
    return float(spent[0]), float(spent[1]), float(spent[2])


def say(backbone: Backbone, spent: np.ndarray, n_tiles: int) -> None:
    """Speed of encoding; share of time that it waits for reading alone, and for all that comes before it."""
    read, looked, encoded = spent.T
    speed = quartiles(n_tiles / encoded)
    reading = quartiles(100 * read / (read + encoded))
    all_before = quartiles(100 * (read + looked) / spent.sum(axis=1))
    print(
        f"{backbone.name}: {speed[1]:.1f} tiles/s ({speed[0]:.1f} to {speed[2]:.1f}); waits {reading[1]:.1f} % of the "
        f"time for reading ({reading[0]:.1f} to {reading[2]:.1f}), {all_before[1]:.1f} % with the nuclei counted too; "
        f"reading {n_tiles / np.median(read):.0f}, looking {n_tiles / np.median(looked):.0f} tiles/s"
    )


if __name__ == "__main__":
    main()
