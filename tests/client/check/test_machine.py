"""What the machine itself lacks: each limit with figures worked out by hand."""

from collections import namedtuple
from importlib import metadata

import pytest
import torch

from client.check import machine
from client.check.machine import (
    disk_problems,
    gpu_problems,
    memory_available,
    memory_problems,
    slides_in,
    version_problems,
)
from modalities.core.contract import Source
from modalities.core.files import disk

KB = 1024


def test_versions_are_those_that_the_package_names():
    found = version_problems()
    assert [finding.level for finding in found if "flwr" in finding.what] == ["note"]
    for name in ("flwr", "torch"):
        assert f"{name} {metadata.version(name)}" in found[0].what


def test_a_flower_of_another_release_is_an_error_and_another_library_a_warning(monkeypatch):
    installed = {"flwr": "1.42.0", "torch": "2.13.0+cpu", "numpy": "9.9"}
    monkeypatch.setattr(machine.metadata, "version", lambda name: installed.get(name, "1.0"))
    monkeypatch.setattr(machine.metadata, "requires", lambda name: ["flwr<1.42,>=1.41", "torch==2.13.0", "numpy<3"])
    first, *others = version_problems()
    assert first.what.endswith("tessera 1.0, flwr 1.42.0, torch 2.13.0+cpu")
    assert [(one.level, one.what) for one in others] == [
        ("error", "flwr is 1.42.0, but this version of Tessera is made for <1.42,>=1.41"),
        ("warning", "numpy is 9.9, but this version of Tessera is made for <3"),
    ]


def test_a_python_that_nobody_tried_is_warned_of(monkeypatch):
    monkeypatch.setattr(machine.platform, "python_version", lambda: "3.14.2")
    found = [finding for finding in version_problems() if finding.what.startswith("Python 3.14.2: ")]
    assert [finding.level for finding in found] == ["warning"]


Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(
    ("free", "slides", "level"),
    [(2.5e9, 499, "note"), (2.5e9, 501, "warning"), (1.9e9, 0, "warning"), (4e8, 0, "error")],
)
def test_free_disk_is_held_against_two_gigabytes_and_one_megabyte_a_slide(tmp_path, monkeypatch, free, slides, level):
    asked = []

    def usage(path):
        asked.append(path)
        return Usage(1e12, 0, free)

    monkeypatch.setattr(disk.shutil, "disk_usage", usage)
    (found,) = disk_problems({"slides": tmp_path / "not" / "made"}, slides)
    assert found.level == level
    assert f"{free / 1e9:.1f} GB free for slides; {2 + slides / 1000:.1f} GB are wanted" in found.what
    assert asked == [tmp_path]  # where it would be made


def test_memory_below_two_gigabytes_is_a_warning_and_below_one_an_error():
    levels = [memory_problems(available)[0].level for available in (2.1e9, 1.9e9, 1.1e9, 0.9e9)]
    assert levels == ["note", "warning", "warning", "error"]


def system(root, group, **files):
    """A made-up /proc and /sys/fs/cgroup; 7,000,000 KB are available to the machine as a whole."""
    proc, groups = root / "proc", root / "groups"
    (proc / "self").mkdir(parents=True)
    (proc / "meminfo").write_text("MemTotal:  9000000 kB\nMemAvailable:  7000000 kB\n\n")
    (proc / "self" / "cgroup").write_text(group)
    for name, text in files.items():
        path = groups / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(path.name.replace("memory_", "memory.")).write_text(text)
    return proc, groups


def test_without_a_limit_the_machines_memory_counts(tmp_path):
    proc, groups = system(tmp_path, "0::/a/b\n", a__memory_max="max\n", a__memory_current="5\n")
    assert memory_available(proc, groups) == 7_000_000 * KB


def test_the_tightest_group_of_version_2_counts_and_what_can_be_let_go_of_is_free(tmp_path):
    """3,000,000 allowed, 1,000,000 used, of which 200,000 are files: 2,200,000 left; the group below has 5,000,000."""
    files = {"a__memory_max": "3000000\n", "a__memory_current": "1000000\n", "a__memory_stat": "inactive_file 200000\n"}
    inner = {"a__b__memory_max": "5000000\n", "a__b__memory_current": "0\n"}
    proc, groups = system(tmp_path, "0::/a/b\n", **files, **inner)
    assert memory_available(proc, groups) == 2_200_000


def test_what_cannot_be_let_go_of_as_far_as_is_known_is_used(tmp_path):
    """No memory.stat, and one that does not count files."""
    files = {"a__memory_max": "3000000\n", "a__memory_current": "1000000\n"}
    assert memory_available(*system(tmp_path / "without", "0::/a\n", **files)) == 2_000_000
    assert memory_available(*system(tmp_path / "other", "0::/a\n", **files, a__memory_stat="anon 7\n")) == 2_000_000


def test_a_group_of_version_1_counts_too(tmp_path):
    files = {"memory__memory_limit_in_bytes": "4000000\n", "memory__memory_usage_in_bytes": "4500000\n"}
    proc, groups = system(tmp_path, "5:cpu,cpuacct:/x\n4:memory:/elsewhere\n", **files)
    assert memory_available(proc, groups) == 0


def test_a_gpu_is_noted_as_torch_sees_it_with_what_it_is_for_here(monkeypatch):
    assert [problem.what for problem in gpu_problems("auto")] == ["GPU: none that torch can use; a CPU is enough"]
    properties = namedtuple("Properties", "name total_memory")("Card 7", 48e9)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: properties)
    shown = "GPU: Card 7 (48 GB); `prepare` "
    for device, uses in (
        ("auto", "uses it for slides, training for large branches"),
        ("cpu", "and training stay on the CPU (resources.device: cpu)"),
        ("cuda", "uses it for slides, training too (resources.device: cuda)"),
    ):
        (problem,) = gpu_problems(device)
        assert (problem.level, problem.what) == ("note", shown + uses)
    assert [(one.level, one.where) for one in gpu_problems("cuda:1")][1:] == [("error", "resources.device")]


def test_slides_that_two_modalities_read_are_counted_once(tmp_path):
    for name in ("a.svs", "b.SVS", "slides.csv", "c.h5"):
        (tmp_path / name).touch()
    source = Source((tmp_path,), "auto", {})
    assert slides_in({"wsi_image": source, "wsi_graph": source}) == 2
