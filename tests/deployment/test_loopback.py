"""A deployment on one machine: SuperLink, gateway and three SuperNodes over TLS, from `init` to a verified release."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
import torch

from client.app import app
from client.home import Home
from client.node import state_of
from modalities.core.branch import build_branch, weights_of
from modalities.core.federation import load_federation
from modalities.core.parts import modality_of
from modalities.core.seeds import seed_of
from server.coordinator import Study
from server.flower import is_up
from server.options import Options
from server.phases import run_study
from server.release import read_release
from simulations.inline import InlineGrid
from tests.support import small_federation, write_sites

REPOSITORY = Path(__file__).resolve().parents[2]
HOLDINGS, N_CASES = (("cnv", "hif"), ("cnv",), ("cnv", "hif")), (29, 17, 23)
SITES = ("site_1", "site_2", "site_3")
TOLERANCE = 1e-6
_MARK = "TESSERA_DEPLOYMENT_TEST"


class Machine:
    """The coordinator's and the sites' commands, each a process of its own with its output in a file."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.mark = folder, uuid.uuid4().hex
        self.study, self.sites = Study(folder / "study"), folder / "sites"
        self.ports = free_ports(2 + len(SITES) + 2)
        self.started: list[subprocess.Popen] = []

    def call(self, program: str, *arguments: object, timeout: float = 60.0) -> str:
        """The output of a command that succeeds."""
        done = subprocess.run(
            self._command(program, arguments), env=self._environment(), capture_output=True, text=True, timeout=timeout
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, name: str, program: str, *arguments: object) -> None:
        command, environment = self._command(program, arguments), self._environment()
        with self.log(name).open("w") as log:
            self.started.append(subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT))

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.out"

    def end_all(self) -> None:
        """Whatever was started here, however it was detached."""
        for number, patience in ((signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0)):
            for process in self.left():
                with suppress(psutil.Error):
                    process.send_signal(number)
            deadline = time.monotonic() + patience
            while self.left() and time.monotonic() < deadline:
                time.sleep(0.2)
        for process in self.started:
            process.wait(5)

    def left(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get(_MARK) == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def join_settings(self, folder: Path, number: int, authority: Path) -> Path:
        """What a site adds to its site.yaml to take part, and the coordinator's certificate."""
        (folder / "ca.crt").write_bytes(authority.read_bytes())
        section = f"coordinator: {{address: 'localhost:{self.ports[0]}', local_port: {self.ports[2 + number]}}}\n"
        with (folder / "site.yaml").open("a") as file:
            file.write(section)
        return folder

    def _command(self, program: str, arguments: tuple[object, ...]) -> list[str]:
        return [sys.executable, "-c", f"from {program}.cli import app; app()", *map(str, arguments)]

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1", _MARK: self.mark}


def free_ports(n: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def wait_until(holds: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            pytest.fail(f"after {seconds:.0f} s still not: {what}")
        time.sleep(0.3)


def meaning(site: Path) -> str:
    return str(state_of(Home(site)).get("meaning", ""))


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A study with three enrolled sites, open and reached by all three."""
    here = Machine(tmp_path_factory.mktemp("d"))
    study = here.study
    here.call("server", "init", study.folder, "--san", "localhost", "--gateway", "builtin")
    settings = study.settings_file.read_text()
    ports = {"9443": here.ports[0], "9092": here.ports[1]}
    for before, now in ports.items():
        settings = settings.replace(before, str(now))
    study.settings_file.write_text(settings)
    federation = small_federation(fusion={"fit": "tune", "rounds": 3})
    study.federation.write_text(federation.to_json())  # JSON is YAML
    write_sites(here.sites, federation, HOLDINGS, N_CASES)
    for number, name in enumerate(SITES):
        folder = here.join_settings(here.sites / name, number, study.tls.authority)
        here.call("client", "init", folder, "--name", name)
        here.call("server", "enrol", study.folder, name, "--key", Home(folder).public_key)
    try:
        here.start("start", "server", "start", study.folder)
        wait_until(lambda: is_up(study), 60, "the SuperLink is up")
        for name in SITES:
            here.start(name, "client", "join", here.sites / name)
        yield here
    finally:
        here.end_all()
    assert not here.left()


def stranger(here: Machine, name: str, number: int, authority: Path) -> Path:
    """A folder of somebody whom nobody enrolled."""
    folder = here.folder / name
    here.call("client", "init", folder, "--name", name, "--address", "localhost:1")
    (folder / "site.yaml").write_text(f"name: {name}\n")
    here.join_settings(folder, number, authority)
    here.start(name, "client", "join", folder)
    return folder


@pytest.mark.slow
@pytest.mark.timeout(540)
def test_three_hospitals_from_init_to_a_verified_release_of_the_inline_engines_weights(machine):
    """Beside them, two that must not get in: one without a registered key, one that trusts another authority."""
    study = machine.study
    unregistered = stranger(machine, "unregistered", 3, study.tls.authority)
    other = Study(machine.folder / "other")
    machine.call("server", "init", other.folder)
    deceived = stranger(machine, "deceived", 4, other.tls.authority)
    wait_until(lambda: bool(meaning(unregistered) and meaning(deceived)), 60, "both are refused")
    assert meaning(unregistered).startswith("the coordinator does not take this site's key")
    assert meaning(deceived).startswith("the server's certificate is not of this study's authority")
    for folder in (unregistered, deceived):
        machine.call("client", "leave", folder)

    trusted = ssl.create_default_context(cafile=str(study.tls.authority))
    with httpx.Client(base_url=f"https://localhost:{machine.ports[0]}", verify=trusted, trust_env=False) as client:
        assert client.get("/health").status_code == 404
        assert client.post("/v1/control/list-runs").status_code == 404

    machine.log("run").write_text(machine.call("server", "run", study.folder, timeout=400))
    release = study.run / "release"
    machine.log("verify").write_text(machine.call("server", "verify", release, "--key", study.release_public_key))
    machine.log("status").write_text(machine.call("server", "status", study.folder))
    assert_as_inline(machine, release)

    machine.call("server", "revoke", study.folder, "site_3")
    wait_until(lambda: bool(meaning(machine.sites / "site_3")), 60, "the revoked site is shut out")
    assert meaning(machine.sites / "site_3").startswith("the coordinator does not take this site's key")
    machine.log("leave").write_text(machine.call("client", "leave", machine.sites / "site_1"))
    assert not state_of(Home(machine.sites / "site_1"))["alive"]


def assert_as_inline(machine: Machine, release: Path) -> None:
    torch.set_num_threads(1)
    federation = load_federation(machine.study.federation)
    found, _ = read_release(release)
    inline = run_study(InlineGrid(app, len(SITES), {"site-root": str(machine.sites)}), federation, Options())
    assert found.weights.keys() == inline.weights.keys() == {"cnv", "hif"}
    for part, weights in inline.weights.items():
        name = modality_of(part)
        initial = weights_of(
            build_branch(federation.modalities[name], inline.states[name], 4, seed_of(federation.seed, part))
        )
        for key, array in weights.items():
            assert np.abs(found.weights[part][key] - array).max() <= TOLERANCE, (part, key)
        assert any((np.abs(found.weights[part][key] - initial[key]) > 1e-3).any() for key in weights)
    assert found.head.keys() == inline.head.keys()
    for key, array in inline.head.items():
        assert np.abs(found.head[key] - array).max() <= TOLERANCE, key
