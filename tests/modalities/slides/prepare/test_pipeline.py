"""Readers, one network, features as slides complete: the same to the bit whoever reads, whatever is killed."""

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from modalities.core.contract import SlideSettings, Source
from modalities.slides.cases import prepare_slides
from modalities.slides.config import SlidesConfig
from modalities.slides.features.reading import read_features
from modalities.slides.reading.files import CannotWriteError
from modalities.slides.reading.manifest import listed_files
from modalities.slides.reading.reading import open_slide
from tests.modalities.slides.backbones.networks import needs_timm, random_network
from tests.modalities.slides.prepare.preparing import REPOSITORY
from tests.modalities.slides.prepare.test_interruptions import small_disk
from tests.slides import glass, with_tissue, write_slide

pytestmark = needs_timm
NETWORK = "mobilenetv3_small_050"
CONFIG = SlidesConfig(backbone=NETWORK, n_tiles=0, tile_px=64, tile_um=32.0, composition=False)
N_SLIDES = 5


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Five slides of different sizes, one without tissue and one that is none; and weights."""
    folder = tmp_path_factory.mktemp("site")
    for number in range(N_SLIDES):
        pixels = with_tissue(glass(701, 1100, number), 130, 130, 500, 350 + 110 * number, number)
        write_slide(folder / "slides" / f"s{number}.svs", pixels)
    write_slide(folder / "slides" / "blank.svs", glass(300, 300))
    (folder / "slides" / "broken.svs").write_text("no slide")
    (folder / "weights").mkdir()
    save_file(random_network(NETWORK).state_dict(), folder / "weights" / f"{NETWORK}.safetensors")
    return folder


def source_of(site, cache, slides="slides"):
    return Source((site / slides,), slides=SlideSettings(cache=str(cache), weights=str(site / "weights")))


def states_of(source, workers=0, **options):
    return {
        entry.slide: state for entry, state in prepare_slides(listed_files(source), source, CONFIG, workers, **options)
    }


def features_in(cache):
    return {path.stem.rsplit("-", 1)[0]: read_features(path) for path in cache.glob("*/*.h5")}


@pytest.fixture(scope="module")
def known(site, tmp_path_factory):
    """Features as a plain loop makes them: one slide after the other, 32 tiles at a time, in one thread."""
    cache = tmp_path_factory.mktemp("known")
    states = states_of(source_of(site, cache))
    network = random_network(NETWORK).to(memory_format=torch.channels_last)
    mean, std = (torch.tensor(network.pretrained_cfg[key]).view(1, 3, 1, 1) * 255 for key in ("mean", "std"))
    found = {}
    for name, tiles in features_in(cache).items():
        with open_slide(site / "slides" / f"{name}.svs") as slide:
            pixels = [fitted(slide.tile(int(x), int(y), tiles.side0, 64)) for x, y in tiles.coords]
        parts = []
        for start in range(0, len(pixels), 32):
            batch = torch.from_numpy(np.stack(pixels[start : start + 32])).permute(0, 3, 1, 2).float()
            with torch.inference_mode():
                parts.append(network((batch - mean) / std).numpy())
        found[name] = np.concatenate(parts)
    assert sorted(found) == [f"s{number}" for number in range(N_SLIDES)]
    assert sorted(len(rows) for rows in found.values()) == [48, 64, 72, 88, 104]  # 64 fills its batches of 32
    assert [states[name].state for name in ("blank", "broken")] == ["excluded", "failed"]
    return found


def fitted(tile):
    from PIL import Image

    return np.asarray(Image.fromarray(tile).resize((256, 256), Image.Resampling.BICUBIC))[16:240, 16:240]


def assert_same(cache, known):
    found = features_in(cache)
    assert found.keys() == known.keys()
    for name, rows in known.items():
        assert np.array_equal(found[name].features, rows), name


def in_shared_memory():
    return {path.name for path in Path("/dev/shm").glob("p[sy]m*")}


def children(pid):
    """Processes of the process, the tracker of Python's resources left out."""
    pids = [int(child) for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()]
    return [pid for pid in pids if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def is_there(pid):
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_in_this_process_features_are_those_of_a_plain_loop_to_the_bit(site, known, tmp_path):
    states_of(source_of(site, tmp_path))
    assert_same(tmp_path, known)


@pytest.mark.slow  # starts processes
@pytest.mark.parametrize("workers", [2, 3])
def test_features_do_not_depend_on_how_many_read_to_the_bit(site, known, tmp_path, workers):
    before = in_shared_memory()
    states = states_of(source_of(site, tmp_path), workers)
    assert_same(tmp_path, known)
    assert (states["blank"].reason, states["broken"].state) == ("blank: no tissue found", "failed")
    assert [states[f"s{number}"].n_tiles for number in range(N_SLIDES)] == [
        len(known[f"s{number}"]) for number in range(N_SLIDES)
    ]
    assert multiprocessing.active_children() == []
    assert in_shared_memory() == before


@pytest.mark.slow  # starts processes
def test_work_that_is_given_up_goes_on_to_the_same_features(site, known, tmp_path):
    source = source_of(site, tmp_path)
    going = prepare_slides(listed_files(source), source, CONFIG, 2)
    while next(going)[1].state != "done":
        pass
    going.close()
    assert multiprocessing.active_children() == []
    assert 0 < len(features_in(tmp_path)) < N_SLIDES
    states_of(source, 2)
    assert_same(tmp_path, known)


@pytest.mark.slow  # starts processes
def test_a_reader_that_is_killed_costs_no_slide(site, known, tmp_path):
    source = source_of(site, tmp_path)
    going = prepare_slides(listed_files(source), source, CONFIG, 2)
    states = [next(going)[1]]
    os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)
    states += [state for _, state in going]
    assert sorted(state.state for state in states) == ["done"] * N_SLIDES + ["excluded", "failed"]
    assert_same(tmp_path, known)


PREPARE = """
from pathlib import Path
from tests.modalities.slides.prepare.test_pipeline import *
site, cache = Path({site!r}), Path({cache!r})
states_of(source_of(site, cache), 2)
"""


@pytest.mark.slow  # starts processes
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_whoever_stops_the_parent_stops_its_readers_and_leaves_no_memory_behind(site, known, tmp_path, how):
    before, cache = in_shared_memory(), tmp_path / "cache"
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)" + PREPARE.format(
        site=str(site), cache=str(cache)
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    parent = subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE)
    until = time.monotonic() + 120
    while not list(cache.glob("*/*.h5")) and parent.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    readers = children(parent.pid)
    parent.send_signal(how)
    said = parent.communicate(timeout=60)[1].decode()
    assert readers, said
    until = time.monotonic() + 10
    while any(map(is_there, readers)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(is_there, readers))
    assert in_shared_memory() == before
    assert "resource_tracker" not in said
    assert 0 < len(features_in(cache)) < N_SLIDES
    states_of(source_of(site, cache), 2)
    assert_same(cache, known)


@pytest.mark.slow  # starts processes
@pytest.mark.parametrize("size", ["8k", "64k"])
def test_full_disk_is_one_clear_message_whoever_meets_it(site, tmp_path, size):
    """At 8 kB the reader, which writes the overview; at 64 the writer of features."""
    with small_disk(tmp_path / "disk", f"size={size}") as disk:
        with pytest.raises(CannotWriteError, match="the disk is full: free some space, or set `slides"):
            states_of(source_of(site, disk / "cache"), 2)
        assert [path for path in disk.rglob("*.part") if path.is_file()] == []
    assert multiprocessing.active_children() == []


@pytest.mark.slow  # starts processes, and some of them end themselves
def test_slide_that_ends_its_reader_fails_alone_beside_a_network(site, known, tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if 'multiprocessing' in ' '.join(sys.orig_argv):\n"
        "    import openslide\n"
        "    class Crash(openslide.OpenSlide):\n"
        "        def __init__(self, path):\n"
        "            if 'broken' in str(path): os._exit(11)\n"
        "            super().__init__(path)\n"
        "    openslide.OpenSlide = Crash\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{REPOSITORY}")
    shutil.copytree(site / "slides", tmp_path / "slides")
    shutil.copytree(site / "weights", tmp_path / "weights")
    states = states_of(source_of(tmp_path, tmp_path / "cache"), 2)
    assert "broken.svs: reading it ended the process" in states["broken"].reason
    assert list(states)[-1] == "broken", "it is tried again when all others are done"
    assert_same(tmp_path / "cache", known)
