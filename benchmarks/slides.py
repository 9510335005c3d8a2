"""Tiles a second of `prepare` (mask, choice, reading) beside a plain OpenSlide loop and the JPEG decoder alone.

The three take turns on the same made-up slide and the same tiles, so that a busy machine slows all alike:
`python -m benchmarks.slides --rounds 25`. Then the mask: time on a thumbnail, and agreement with OpenCV's own recipe.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import openslide
import tifffile

from benchmarks.measure import quartiles
from modalities.slides.backbones import backbone_of
from modalities.slides.config import SlidesConfig
from modalities.slides.nuclei.nuclei import nuclei_in
from modalities.slides.reading.reading import open_slide
from modalities.slides.tissue.tiles import Tiles, choose_tiles, side_at_level0, tissue_tiles
from modalities.slides.tissue.tissue import tissue_mask

SIDE_PX, TILE_PX = 8192, 256


def main() -> None:
    """Measure, and print ratios with quartiles."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--tiles", type=int, default=0, help="tiles a slide; 0: all with tissue")
    parser.add_argument("--mpp", type=float, default=0.5, help="0.5: a tile is one of the file's; 0.25: four of them")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    config = SlidesConfig(n_tiles=arguments.tiles)
    with tempfile.TemporaryDirectory() as folder:
        path = write_slide(Path(folder) / "slide.svs", arguments.mpp)
        tiles = prepared(path, config)
        decoded = encoded_tiles(path, tiles)
        ways: dict[str, Callable[[], object]] = {
            "prepare": lambda: prepared(path, config),
            "openslide": lambda: plain_loop(path, tiles),
            "decode": lambda: [imagecodecs.jpeg_decode(data, tables=tables) for data, tables in decoded],
        }
        spent = interleaved(ways, arguments.rounds)
        n_tiles = len(tiles.coords)
        print(f"{n_tiles} tiles of {tiles.side0} pixels at level 0, {arguments.rounds} rounds")
        for name in ways:
            low, middle, high = quartiles(spent[name])
            ratio = quartiles(np.array(spent[name]) / np.array(spent["decode"]))
            print(
                f"{name:>10}: {n_tiles / middle:8.0f} tiles/s of CPU ({n_tiles / high:.0f} to {n_tiles / low:.0f}), "
                f"{ratio[1]:.2f} of the decoder alone ({ratio[0]:.2f} to {ratio[2]:.2f})"
            )
        beside = quartiles(np.array(spent["prepare"]) / np.array(spent["openslide"]))
        print(f"prepare / openslide: {beside[1]:.2f} ({beside[0]:.2f} to {beside[2]:.2f})")
        print_mask(path, config, arguments.rounds)
        print_encoding(path, tiles, config)


def prepared(path: Path, config: SlidesConfig) -> Tiles:
    """What `prepare` does before a backbone: thumbnail, mask, choice, each chosen tile read."""
    with open_slide(path) as slide:
        mask, _ = tissue_mask(slide.thumbnail(config.mask_px), config)
        side0 = side_at_level0(config.tile_um, slide.mpp)
        tiles = choose_tiles(tissue_tiles(mask, slide.width, slide.height, side0, config), config.n_tiles, seed=0)
        for x, y in tiles.coords:
            slide.tile(int(x), int(y), side0, config.tile_px)
    return tiles


def plain_loop(path: Path, tiles: Tiles) -> None:
    """The same tiles as most scripts read them."""
    with openslide.OpenSlide(path) as slide:
        for x, y in tiles.coords:
            read = slide.read_region((int(x), int(y)), 0, (tiles.side0, tiles.side0)).convert("RGB")
            np.asarray(read if tiles.side0 == TILE_PX else read.resize((TILE_PX, TILE_PX)))


def encoded_tiles(path: Path, tiles: Tiles) -> list[tuple[bytes, bytes | None]]:
    """The JPEG streams that these tiles lie in."""
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        if not isinstance(page, tifffile.TiffPage):
            raise TypeError("the slide's first page has no tags")
        columns = -(-page.imagewidth // TILE_PX)
        per_tile = range(tiles.side0 // TILE_PX)
        numbers = [
            (int(y) // TILE_PX + down) * columns + int(x) // TILE_PX + across
            for x, y in tiles.coords
            for down in per_tile
            for across in per_tile
        ]
        streams = []
        for number in numbers:
            file.filehandle.seek(page.dataoffsets[number])
            streams.append((file.filehandle.read(page.databytecounts[number]), page.jpegtables))
        return streams


def interleaved(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each way in each round; the order turns from round to round."""
    spent: dict[str, list[float]] = {name: [] for name in ways}
    names = list(ways)
    for round_number in range(rounds + 1):
        turn = round_number % len(names)
        for name in names[turn:] + names[:turn]:
            began = time.process_time()
            ways[name]()
            spent[name].append(time.process_time() - began)
    return {name: values[1:] for name, values in spent.items()}  # the first round warms the caches


def print_mask(path: Path, config: SlidesConfig, rounds: int) -> None:
    """Time of the mask, with and without reading the thumbnail; agreement with OpenCV's recipe."""
    with open_slide(path) as slide:
        ways: dict[str, Callable[[], object]] = {
            "thumbnail and mask": lambda: tissue_mask(slide.thumbnail(config.mask_px), config),
            "mask alone": lambda: tissue_mask(thumbnail, config),
        }
        thumbnail = slide.thumbnail(config.mask_px)
        for name, values in interleaved(ways, rounds).items():
            low, middle, high = quartiles(values)
            print(f"{name}: {middle * 1e3:.0f} ms of CPU ({low * 1e3:.0f} to {high * 1e3:.0f})")
        mask, _ = tissue_mask(thumbnail, config)
    recipe = cv2.medianBlur(cv2.cvtColor(thumbnail, cv2.COLOR_RGB2HSV)[..., 1], 7) > 20
    print(f"agreement with OpenCV's median recipe: IoU {(mask & recipe).sum() / (mask | recipe).sum():.5f}")


def print_encoding(path: Path, tiles: Tiles, config: SlidesConfig) -> None:
    """Tiles a second of the built-in backbone and of the nuclei, for comparison."""
    backbone = backbone_of(config)
    with open_slide(path) as slide:
        pixels = [slide.tile(int(x), int(y), tiles.side0, config.tile_px) for x, y in tiles.coords[:64]]
    began = time.process_time()
    nuclei = [nuclei_in(tile, config.um_px) for tile in pixels]
    between = time.process_time()
    backbone.encode(pixels, nuclei)
    ended = time.process_time()
    print(
        f"nuclei: {len(pixels) / (between - began):.0f} tiles/s; stain: {len(pixels) / (ended - between):.0f} tiles/s"
    )


def write_slide(path: Path, mpp: float) -> Path:
    """A JPEG pyramid with tissue in most of it, as Aperio writes it."""
    rng = np.random.default_rng(0)
    grain = cv2.resize(rng.normal(0, 18, (SIDE_PX // 8, SIDE_PX // 8, 3)).astype(np.float32), (SIDE_PX, SIDE_PX))
    fine = rng.normal(0, 8, (1024, 1024, 3)).astype(np.float32)
    pixels = np.full((SIDE_PX, SIDE_PX, 3), 243, dtype=np.uint8)
    edge = SIDE_PX // 8
    for top in range(edge, SIDE_PX - edge, 1024):
        for left in range(edge, SIDE_PX - edge, 1024):
            part = grain[top : top + 1024, left : left + 1024] + fine + (190, 120, 175)
            pixels[top : top + 1024, left : left + 1024] = part.clip(0, 255).astype(np.uint8)
    about = f"Aperio Image Library v12.0.0 \r\n{SIDE_PX}x{SIDE_PX} (256x256) JPEG/RGB Q=80|MPP = {mpp}"
    with tifffile.TiffWriter(path) as file:
        for level in (1, 4, 8):
            size = SIDE_PX // level
            image = cv2.resize(pixels, (size, size), interpolation=cv2.INTER_AREA)
            file.write(
                image,
                tile=(TILE_PX, TILE_PX),
                photometric="rgb",
                compression="jpeg",
                compressionargs={"level": 80},
                description=about,
                metadata=None,
            )
    return path


if __name__ == "__main__":
    main()
