"""Full disks, Ctrl-C, SIGKILL, a crash: whole features or none, nothing lost, and one clear message."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from modalities.slides.cases import prepare_slides
from modalities.slides.config import SlidesConfig
from modalities.slides.features.reading import read_features
from modalities.slides.reading.files import CannotWriteError, write_whole
from modalities.slides.reading.manifest import listed_files
from tests.modalities.slides.prepare.preparing import CONFIG, REPOSITORY, features_in, good, run, same, source_of
from tests.slides import write_slide


@contextmanager
def small_disk(folder, options):
    """A file system of its own; skips where this process may not mount one."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount a small file system here: {done.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_full_disk_is_one_clear_message_and_leaves_no_half_file(raw, tmp_path):
    with small_disk(tmp_path / "disk", "size=24k") as disk:
        with pytest.raises(CannotWriteError, match=r"the disk is full: free some space, or set `slides\.cache`"):
            run(source_of(raw, disk / "cache"))
        left = [path for path in disk.rglob("*") if path.is_file()]
        assert [path for path in left if path.suffix == ".part"] == []


def test_read_only_folder_is_one_clear_message(raw, tmp_path):
    message = r"the folder is read-only: set `slides\.cache` in site\.yaml"
    with small_disk(tmp_path / "disk", "ro") as disk, pytest.raises(CannotWriteError, match=message):
        run(source_of(raw, disk / "cache"))


def test_folder_that_cannot_be_made_is_one_clear_message(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotWriteError, match=r"set `slides\.cache` in site\.yaml to another folder"):
        write_whole(tmp_path / "file" / "cache" / "x.h5", b"x")


def start_prepare(site):
    code = (  # a job that a shell started in the background ignores SIGINT, and its children with it
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from client.cli import app; app()"
    )
    command = [sys.executable, "-c", code, "prepare", str(site), "--workers", "2"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Six slides, and their features."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    for number in range(6):
        write_slide(folder / "slides" / f"c{number}.svs", good(number))
    run(source_of(folder / "slides", folder / "cache"), SlidesConfig())
    return folder / "slides", features_in(folder / "cache")


@pytest.mark.slow  # starts four processes, twice
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_work_goes_on_to_the_same_features(tmp_path, uninterrupted, how):
    slides, features = uninterrupted
    site, n_slides = tmp_path / "site", len(features)
    shutil.copytree(slides, site / "slides")
    (site / "cases.csv").write_text("case_id,label\n" + "".join(f"c{number},LumA\n" for number in range(n_slides)))
    (site / "site.yaml").write_text("name: here\nsources: {wsi_image: {paths: [slides]}}\n")
    cache = site / ".tessera" / "slides"
    process = start_prepare(site)
    until = time.monotonic() + 120
    while not list(cache.glob("*/*.h5")) and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(how)
    output = process.communicate(timeout=60)[0].decode()
    if how == signal.SIGINT:
        assert process.returncode == 130, output
        assert "interrupted: finished slides are kept" in output
    kept = {path: path.read_bytes() for path in cache.glob("*/*.h5")}
    assert 0 < len(kept) < n_slides
    assert all(len(read_features(path)) for path in kept), "whatever has its final name is whole"
    time.sleep(1)  # workers of a killed parent end themselves
    with start_prepare(site) as process:
        output = process.communicate(timeout=120)[0].decode()
    assert process.returncode == 0, output
    assert all(path.read_bytes() == content for path, content in kept.items())
    assert not list(cache.rglob("*.part"))
    assert same(features_in(cache), features)


@pytest.mark.slow  # starts processes, and one of them ends itself
def test_slide_that_brings_its_process_down_fails_alone(raw, tmp_path, monkeypatch):
    """A preparation that ends the process, as a crash in a C library does, on one of three slides.

    It does so after another slide was done, and before the third is handed to a process.
    """
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys, time\n"
        "if 'multiprocessing' in ' '.join(sys.orig_argv):\n"
        "    import openslide\n"
        "    class Crash(openslide.OpenSlide):\n"
        "        def __init__(self, path):\n"
        "            while 'broken' in str(path):\n"
        f"                os._exit(11) if os.path.exists({str(tmp_path / 'now')!r}) else time.sleep(0.02)\n"
        "            super().__init__(path)\n"
        "    openslide.OpenSlide = Crash\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{REPOSITORY}")
    folder = tmp_path / "slides"
    folder.mkdir()
    for name in ("good.svs", "other.svs", "broken.svs"):
        shutil.copy(raw / name, folder / name)
    source = source_of(folder, tmp_path / "cache")
    going = prepare_slides(listed_files(source), source, CONFIG, workers=2)
    states = [next(going)]
    assert states[0][0].slide == "good"
    (tmp_path / "now").touch()
    time.sleep(1)  # until the pool of processes has seen it
    states = {entry.slide: state for entry, state in [*states, *going]}
    assert [states[name].state for name in ("good", "other", "broken")] == ["done", "done", "failed"]
    assert "broken.svs: reading it ended the process" in states["broken"].reason
