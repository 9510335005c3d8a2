"""Flower's simulation engine, through Flower's command line: slow, and each run in folders and processes of its own."""

import hashlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from rich.console import Console

from client.app import app
from modalities.core.blocks.branch import build_branch, weights_of
from modalities.core.parts import modality_of
from modalities.core.seeds import seed_of
from modalities.core.settings.federation import Federation, federation_from
from modalities.core.site.example import example_features, write_example_site
from server.phases.options import Options
from server.phases.order import run_study
from server.state.release import read_release, write_release
from server.state.study import StudyState
from simulations.engines import flower
from simulations.engines.flower import REPOSITORY, run_arguments, run_in_flower, staged_app, typed_line
from simulations.engines.inline import InlineGrid
from strategies.flower.bundles import build

HOLDINGS = (("cnv", "clinical"), ("cnv",), ("clinical", "hif"), ("cnv", "clinical", "hif"))
N_CASES = (31, 17, 23, 37)
TOLERANCE = 1e-6
_MARK = "TESSERA_TEST_RUN"


def federation_with(*modalities: str) -> Federation:
    """Three rounds, each modality by another strategy."""
    kinds = {"cnv": "cnv", "clinical": "clinical", "hif": "table", "absent": "table"}
    rules = {
        "cnv": {"strategy": "fedadam"},
        "clinical": {"strategy": "fedprox", "proximal_mu": 0.1},
        "hif": {"strategy": "fedavg"},
        "absent": {},
    }
    sections = {}
    for name in modalities:
        federated = {"rounds": 3, **rules[name]}
        sections[name] = {"kind": kinds[name], "features": example_features(kinds[name]), "federated": federated}
    return federation_from({"seed": 5, "fusion": {"rounds": 7}, "modalities": sections})


def write_settings(path: Path, federation: Federation) -> Path:
    path.write_text(json.dumps(federation.to_dict()), encoding="utf-8")  # JSON is YAML
    return path


def started_under(mark: str) -> list[psutil.Process]:
    """Every process still at work that inherited the mark, however it was detached."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(_MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch) -> str:
    name = uuid.uuid4().hex
    monkeypatch.setenv(_MARK, name)
    return name


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sites")
    federation = federation_with("cnv", "clinical", "hif")
    for number, (held, n_cases) in enumerate(zip(HOLDINGS, N_CASES, strict=True)):
        write_example_site(root, federation, number, n_cases, held)
    return root


@dataclass(frozen=True)
class Both:
    """One study in both engines."""

    federation: Federation
    inline: StudyState
    inline_release: Path
    flower_out: Path


@pytest.fixture(scope="module")
def both(sites: Path, tmp_path_factory: pytest.TempPathFactory) -> Both:
    federation, out = federation_with("cnv", "clinical", "hif"), tmp_path_factory.mktemp("out")
    settings = write_settings(out / "federation.yaml", federation)
    run_in_flower(settings, sites, out / "flower", len(HOLDINGS), Console(quiet=True), timeout_s=200.0)
    torch.set_num_threads(1)
    inline = run_study(InlineGrid(app, len(HOLDINGS), {"site-root": str(sites)}), federation, Options())
    return Both(federation, inline, write_release(out / "inline", inline), out / "flower")


@pytest.mark.slow
def test_weights_after_three_rounds_agree_with_the_inline_engine(both):
    released, _ = read_release(both.flower_out / "release")
    assert released.federation.digest == both.federation.digest
    assert sorted(released.weights) == sorted(both.inline.weights)
    for part, own in both.inline.weights.items():
        for name, array in own.items():
            np.testing.assert_allclose(released.weights[part][name], array, rtol=0, atol=TOLERANCE, err_msg=part)
    assert sorted(released.head) == sorted(both.inline.head)
    for name, array in both.inline.head.items():
        np.testing.assert_allclose(released.head[name], array, rtol=0, atol=TOLERANCE, err_msg=name)


@pytest.mark.slow
def test_every_branch_of_the_flower_run_has_moved_from_its_initial_weights(both):
    released, _ = read_release(both.flower_out / "release")
    for part, own in released.weights.items():
        config, state = both.federation.modalities[modality_of(part)], released.states[modality_of(part)]
        initial = build_branch(config, state, both.federation.n_classes, seed_of(both.federation.seed, part))
        moved = {name: np.abs(own[name] - array).max() for name, array in weights_of(initial).items()}
        assert max(moved.values()) > 1e-3, part


@pytest.mark.slow
def test_both_engines_count_the_same_bytes_and_refuse_nothing(both):
    finished = StudyState.load(both.flower_out / "checkpoint.safetensors", both.federation)
    assert finished.refused == both.inline.refused == []
    assert finished.traffic.table() == both.inline.traffic.table()
    assert "clinical" not in finished.traffic.table()["site_2"]  # it has copy number only


@pytest.mark.slow
def test_a_serverapp_that_raises_makes_the_run_fail_and_leaves_no_process(sites, tmp_path, mark):
    settings = write_settings(tmp_path / "federation.yaml", federation_with("absent"))
    reason = r"finished:failed: .*no site takes part.*its log is .*flower\.log"
    with pytest.raises(RuntimeError, match=reason):
        run_in_flower(settings, sites, tmp_path / "out", 1, Console(quiet=True), timeout_s=200.0)
    assert "RuntimeError: no site takes part" in (tmp_path / "out" / "flower.log").read_text(encoding="utf-8")
    assert not (tmp_path / "out" / "release").exists()
    assert [process.cmdline() for process in started_under(mark)] == []


@pytest.mark.slow
def test_a_run_stopped_on_its_way_leaves_no_process(sites, tmp_path, mark):
    settings = write_settings(tmp_path / "federation.yaml", federation_with("cnv"))
    with pytest.raises(RuntimeError, match=r"stopped: not finished after 6 s"):
        run_in_flower(settings, sites, tmp_path / "out", 1, Console(quiet=True), timeout_s=6.0)
    assert [process.cmdline() for process in started_under(mark)] == []


@pytest.fixture
def flower_home(mark: str) -> Iterator[Path]:
    """A home for somebody who types `flwr run`, and the end of what it leaves; short, for Ray's sockets below it."""
    with tempfile.TemporaryDirectory(prefix="tessera-", dir="/tmp", ignore_cleanup_errors=True) as home:
        try:
            yield Path(home)
        finally:
            for process in started_under(mark):
                with suppress(psutil.Error):
                    process.terminate()
            deadline = time.monotonic() + 15
            while (left := started_under(mark)) and time.monotonic() < deadline:
                time.sleep(0.2)
            for process in left:
                with suppress(psutil.Error):
                    process.kill()


@pytest.mark.slow
def test_flwr_run_as_it_stands_completes_with_flowers_defaults(flower_home, monkeypatch):
    """Two nodes make up a site each; `uv sync` has nothing to fetch, which `UV_OFFLINE` would show."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    monkeypatch.delenv("FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION", raising=False)
    programs = Path(sys.executable).parent
    own = {
        "HOME": str(flower_home),
        "TMPDIR": str(flower_home),
        "FLWR_HOME": str(flower_home / "flwr"),
        "FLWR_LOCAL_SUPERLINK_HTTP_API_PORT": port,
        "UV_OFFLINE": "1",
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
    }
    settings = {"env": {**os.environ, **own}, "cwd": REPOSITORY, "capture_output": True, "text": True, "timeout": 280}
    bundle = hashlib.sha256(build(staged_app(REPOSITORY, flower_home / "app"))).hexdigest()
    log = subprocess.run(["flwr", "run", ".", "--stream"], **settings, check=True).stdout
    (run,) = json.loads(subprocess.run(["flwr", "list", "--format", "json"], **settings, check=True).stdout)["runs"]
    assert run["status"] == "finished:completed", log
    release = flower_home / ".tessera" / f"run-{run['run-id']}" / "release"
    assert f"release written to {release}" in log
    assert read_release(release)[1]["modalities"] == ["clinical", "cnv", "hif"]
    assert run["fab-hash"] == bundle  # the copy without .venv, which the engine takes, gives the same bundle


def test_typed_line_is_what_runs_and_survives_the_shell():
    arguments = run_arguments(Path("/a b/federation.yaml"), Path("/sites"), Path("/out"), n_sites=3)
    echo = typed_line(arguments).replace(" flwr run ", " printf '%s\\n' ", 1)
    shown = subprocess.run(["sh", "-c", echo], capture_output=True, text=True, check=True).stdout.splitlines()
    assert shown == [str(REPOSITORY), *arguments]
    assert 'federation="/a b/federation.yaml" site-root="/sites" out="/out" sites=3' in arguments


def test_workers_share_the_gpus_that_there_are_and_ask_for_none_where_there_are_none(monkeypatch):
    monkeypatch.setattr(flower, "processors", lambda: 7)
    for n_there, expected in ((0, ""), (2, " client-resources-num-gpus=0.285"), (9, " client-resources-num-gpus=1.0")):
        monkeypatch.setattr(flower, "n_gpus", lambda n=n_there: n)
        engine = run_arguments(Path("/f.yaml"), Path("/sites"), Path("/out"), n_sites=8)[2]
        assert engine == f"num-supernodes=8 client-resources-num-cpus=1 init-args-num-cpus=7{expected}"


def test_more_sites_than_site_folders_is_refused_at_once(sites, tmp_path):
    settings = write_settings(tmp_path / "federation.yaml", federation_with("cnv"))
    with pytest.raises(ValueError, match=r"4 site folders for 5 sites"):
        run_in_flower(settings, sites, tmp_path / "out", n_sites=5)


def test_a_folder_that_is_no_flower_app_is_refused_at_once(sites, tmp_path, monkeypatch):
    monkeypatch.setattr(flower, "REPOSITORY", tmp_path)
    settings = write_settings(tmp_path / "federation.yaml", federation_with("cnv"))
    with pytest.raises(ValueError, match="no Flower app here; run from a clone"):
        run_in_flower(settings, sites, tmp_path / "out", n_sites=4)
