"""One machine that plays the coordinator and its sites: every command a real process, over real TLS and keys."""

import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

import client.cli
import server.cli
from client.node.home import Home
from client.node.supervisor import state_of
from modalities.core.settings.federation import Federation
from server.coordinator.flower import is_up
from server.coordinator.folder import Study
from strategies.masking.roster import load_roster
from tests.deployment.last_words import last_words
from tests.deployment.ports import free_ports, is_open
from tests.support import write_sites

REPOSITORY = Path(__file__).resolve().parents[2]
HOLDINGS, N_CASES = (("cnv", "hif"), ("cnv",), ("cnv", "hif")), (29, 17, 23)
SITES = ("site_1", "site_2", "site_3")
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
PROGRAMS = {"client": client.cli.app, "server": server.cli.app}
_MARK = "TESSERA_DEPLOYMENT_TEST"
STUDY_S = 1200.0
"""For a command that runs a whole study: four minutes take four times as long where other tests use the cores."""
_SLOWER = 2
"""Times the seconds that a wait names, before it has failed: for the same machines."""
_SPARE_PORTS = 6
"""For more sites, strangers and second nodes."""
_NEW_PROCESSES_S = 1.0
"""So often the processes are listed that a power cut is to end: too slow to do it when the moment has come."""

if NGINX is None and os.environ.get("TESSERA_REQUIRE_NGINX") == "1":
    raise RuntimeError("TESSERA_REQUIRE_NGINX=1, but nginx is not installed: apt-get install nginx")


class Machine:
    """The coordinator's and the sites' commands, each a process of its own with its output in a file."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.mark = folder, uuid.uuid4().hex
        self.study, self.sites = Study(folder / "study"), folder / "sites"
        self.ports = free_ports(2 + len(SITES) + _SPARE_PORTS)
        """Gateway, SuperLink, then one for each node."""
        self.started: dict[str, subprocess.Popen] = {}
        self.source = REPOSITORY
        """The source whose commands are typed, in processes of their own."""
        self.user: list[str] = []
        """What stands before every command, to make another user type it."""

    def run(self, program: str, *arguments: object, timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
        """A command to its end, whatever that is."""
        command = self._command(program, arguments)
        try:
            return subprocess.run(command, env=self._environment(), capture_output=True, text=True, timeout=timeout)
        except subprocess.TimeoutExpired as late:
            pytest.fail(f"{late}\n--- its output\n{late.output}\n{last_words(self.folder)}")

    def call(self, program: str, *arguments: object, timeout: float = 120.0) -> str:
        """The output of a command that succeeds."""
        done = self.run(program, *arguments, timeout=timeout)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def type_in(self, program: str, *arguments: object) -> str:
        """The same of a command that does not go on, without the seconds that a process of its own takes to begin."""
        done = CliRunner().invoke(PROGRAMS[program], [str(argument) for argument in arguments])
        assert done.exit_code == 0, done.output
        return done.output

    def start(self, name: str, program: str, *arguments: object, **environment: str) -> subprocess.Popen:
        """A command that goes on; its output is in `log(name)`."""
        return self.start_command(name, self._command(program, arguments), **environment)

    def start_command(self, name: str, command: Sequence[object], **environment: str) -> subprocess.Popen:
        """Any program that goes on, and is ended with the machine."""
        with self.log(name).open("a") as log:
            self.started[name] = subprocess.Popen(
                [str(word) for word in command],
                env={**self._environment(), **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return self.started[name]

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.out"

    def said(self, name: str) -> str:
        """What a started command has written until now."""
        return self.log(name).read_text() if self.log(name).is_file() else ""

    def end_all(self) -> None:
        """Whatever was started here, however it was detached."""
        for number, patience in ((signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0)):
            for process in self.left():
                with suppress(psutil.Error):
                    process.send_signal(number)
            for process in self.started.values():  # nginx overwrites the environment that holds the mark
                process.send_signal(number)
            deadline = time.monotonic() + patience
            while self.left() and time.monotonic() < deadline:
                time.sleep(0.2)
        for process in self.started.values():
            process.wait(5)

    def left(self) -> list[psutil.Process]:
        found = []
        own = {process.pid for process in self.started.values() if process.poll() is None}
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                # nginx overwrites its environment, and the mark with it
                is_own = process.pid in own or process.environ().get(_MARK) == self.mark
                if is_own and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def kill_all_of(self, *words: str) -> int:
        """SIGKILL, at once, to every process of this machine with all these words in its command line; how many."""
        return self.signal_all_of(signal.SIGKILL, *words)

    def signal_all_of(self, number: int, *words: str) -> int:
        """A signal to every process of this machine with all these words in its command line; how many."""
        found = []
        for process in self.left():
            with suppress(psutil.Error):
                line = " ".join(process.cmdline())
                if all(word in line for word in words):
                    found.append(process)
        for process in found:
            with suppress(psutil.Error):
                process.send_signal(number)
        return len(found)

    def stand_still(self, *names: str, when: Callable[[], bool], seconds: float, what: str) -> list[psutil.Process]:
        """Suspend these started commands and all that they have started, a few milliseconds after `when` holds."""
        deadline = time.monotonic() + seconds
        while True:
            roots = [psutil.Process(self.started[name].pid) for name in names if self.started[name].poll() is None]
            found = [*roots, *(child for root in roots for child in root.children(recursive=True))]
            looked = time.monotonic()
            while not (holds := when()) and time.monotonic() < looked + _NEW_PROCESSES_S:
                time.sleep(0.002)
            if holds:
                break
            if ended := [name for name in names if self.started[name].poll() is not None and not when()]:
                pytest.fail(f"{ended[0]} has ended, and still not: {what}\n{last_words(self.folder)}")
            if time.monotonic() > deadline:
                pytest.fail(f"after {seconds:.0f} s still not: {what}")
        for process in found:
            with suppress(psutil.Error):
                process.suspend()
        return found

    def cut_the_power(self, *names: str, when: Callable[[], bool], seconds: float, what: str) -> None:
        """SIGKILL to these started commands and all that they have started, a few milliseconds after `when` holds."""
        found = self.stand_still(*names, when=when, seconds=seconds, what=what)  # so that none sees another's end
        for process in found:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(found, timeout=10)
        for name in names:
            self.started[name].wait(10)

    def set_up(self, federation: Federation, gateway: str, holdings=HOLDINGS, n_cases=N_CASES, **settings) -> None:
        """A study's folder and its site folders, every site enrolled; nothing runs yet.

        `settings` changes coordinator.yaml.
        """
        study = self.study
        self.type_in("server", "init", study.folder, "--san", "localhost", "--gateway", gateway)
        changed = {"public_port": self.ports[0], "superlink_port": self.ports[1], **settings}
        lines = study.settings_file.read_text().splitlines()
        kept = [line for line in lines if line.split(":")[0] not in changed]
        study.settings_file.write_text("\n".join([*kept, *(f"{name}: {value}" for name, value in changed.items())]))
        study.federation.write_text(federation.to_json())  # JSON is YAML
        write_sites(self.sites, federation, holdings, n_cases)
        for number in range(len(holdings)):
            name = f"site_{number + 1}"
            folder = self.join_settings(self.sites / name, number, study.tls.authority)
            self.type_in("client", "init", folder, "--name", name)
            self.type_in("client", "trust", folder, "--from-checkout")
            self.type_in("server", "enrol", study.folder, name, "--key", Home(folder).public_key)
        if federation.privacy.is_masked:
            self.approve_roster([f"site_{number + 1}" for number in range(len(holdings))])

    def approve_roster(self, sites: Sequence[str]) -> None:
        """The coordinator makes the roster of those enrolled, and these sites approve it."""
        self.type_in("server", "roster", self.study.folder)
        for name in sites:
            (self.sites / name / "roster.yaml").write_bytes(self.study.roster.read_bytes())
            digest = load_roster(self.study.roster).digest
            self.type_in("client", "trust", self.sites / name, "--roster", digest)

    def open(self, **environment: str) -> None:
        """Start the coordinator and, where it is nginx, the gateway."""
        self.start("start", "server", "start", self.study.folder, **environment)
        wait_until(lambda: is_up(self.study) and "sites enrolled" in self.said("start"), 150, "the keys are registered")
        if self.study.settings().gateway == "nginx":
            self.start_gateway()
        else:
            wait_until(lambda: is_open(self.study.settings().public_port), 20, "the built-in gateway listens")

    def gateway(self) -> list[psutil.Process]:
        """The processes that sites talk to: nginx, or the `start` that holds the built-in gateway."""
        if "nginx" not in self.started:
            return [psutil.Process(self.started["start"].pid)]
        master = psutil.Process(self.started["nginx"].pid)
        return [master, *master.children()]

    def start_gateway(self) -> None:
        """nginx with the study's configuration, until it listens."""
        assert NGINX, "nginx is not installed: apt-get install nginx"
        started = self.start_command(
            "nginx", [*self.user, NGINX, "-c", self.study.nginx.resolve(), "-g", "daemon off;"]
        )
        wait_until(
            lambda: started.poll() is not None or is_open(self.study.settings().public_port), 20, "nginx listens"
        )
        assert started.poll() is None, self.said("nginx")

    def join(self, *sites: str) -> None:
        for name in sites or SITES:
            self.start(name, "client", "join", self.sites / name)

    def join_settings(self, folder: Path, number: int, authority: Path) -> Path:
        """What a site adds to its site.yaml to take part, and the coordinator's certificate, key and settings."""
        (folder / "ca.crt").write_bytes(authority.read_bytes())
        (folder / "release.pub").write_bytes(self.study.release_public_key.read_bytes())
        (folder / "federation.yaml").write_bytes(self.study.federation.read_bytes())
        own = f"address: 'localhost:{self.ports[0]}', local_port: {self.ports[2 + number]}, federation: federation.yaml"
        section = f"coordinator: {{{own}, roster: roster.yaml}}\n"
        with (folder / "site.yaml").open("a") as file:
            file.write(section)
        return folder

    def stranger(self, name: str, number: int, authority: Path) -> Path:
        """The folder of somebody whom nobody enrolled, and who tries to join; `number` from 3 on."""
        folder = self.folder / name
        self.type_in("client", "init", folder, "--name", name, "--address", "localhost:1")
        (folder / "site.yaml").write_text(f"name: {name}\npolicy: {{require_masking: false}}\n")
        self.join_settings(folder, number, authority)
        self.type_in("client", "trust", folder, "--from-checkout")
        self.start(name, "client", "join", folder)
        return folder

    def _command(self, program: str, arguments: tuple[object, ...]) -> list[str]:
        return [*self.user, sys.executable, "-P", "-c", f"from {program}.cli import app; app()", *map(str, arguments)]

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(self.source), "PYTHONUNBUFFERED": "1", _MARK: self.mark}


class Asked:
    """What sites are asked from now on, by their own logs."""

    def __init__(self, machine: Machine, *sites: str) -> None:
        self._logs = [Home(machine.sites / name).log for name in sites or SITES]
        self._at = {log: log.stat().st_size if log.is_file() else 0 for log in self._logs}

    def for_(self, request: str) -> bool:
        """Whether one of them has begun on such a request."""
        return any(f"Receiving: {request} message".encode() in self._new(log) for log in self._logs if log.is_file())

    def _new(self, log: Path) -> bytes:
        with log.open("rb") as file:
            file.seek(self._at[log])
            return file.read()


def wait_until(holds: Callable[[], bool], seconds: float, what: str, look_s: float = 0.3) -> None:
    deadline = time.monotonic() + _SLOWER * seconds
    while not holds():
        if time.monotonic() > deadline:
            pytest.fail(f"after {_SLOWER * seconds:.0f} s still not: {what}")
        time.sleep(look_s)


def meaning(site: Path) -> str:
    """Why a site is not connected, in the words that its `status` shows."""
    return str(state_of(Home(site)).get("meaning", ""))
