"""A study with real processes on one machine: coordinator, gateway and sites, over TLS and with keys of their own."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.measure import note_round
from benchmarks.relay import Relay
from client.node.approval import approve
from client.node.home import Home
from client.node.keys import make_node_key
from client.node.roster import approve_roster
from client.node.supervisor import Node, state_of
from modalities.core.settings.federation import Federation
from modalities.core.settings.site import read_site_config
from modalities.core.supply.packages import contents, installed
from server.coordinator.flower import is_up, nodes
from server.coordinator.folder import enrol_site, init_study, write_gateway
from server.coordinator.roster import make_roster
from strategies.bundle import digest_of_checkout
from strategies.flower.processes import wait_until
from tests.deployment.ports import free_ports

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
GATEWAY = "nginx" if NGINX else "builtin"
_REPOSITORY = Path(__file__).resolve().parents[1]
_PROBE = Path(__file__).with_name("probe")
_START_S, _END_S, _LOOK_S = 240.0, 40.0, 0.02


class Deployment:
    """Everything below one folder; the site folders stand already."""

    def __init__(self, folder: Path, federation: Federation, sites: Sequence[Path], is_stock: bool) -> None:
        """Make the study's folder, and enrol the sites."""
        self.folder, self.sites, self.is_stock = folder, list(sites), is_stock
        self.notes = folder / "notes.jsonl"
        self.steps: dict[int, float] = {}
        """Round -> when the coordinator had finished it, by its own status file."""
        public, superlink, *self._local = free_ports(2 + len(sites))
        self.study = init_study(folder / "study", ["localhost"], GATEWAY)
        self.study.settings_file.write_text(
            f"gateway: {GATEWAY}\npublic_port: {public}\nsuperlink_port: {superlink}\nsites: {len(sites)}\n"
        )
        write_gateway(self.study)
        self.study.federation.write_text(federation.to_json())  # JSON is YAML
        self.relay = Relay(public, [site.name for site in sites])

    def run(self) -> None:
        """The study from its first message to its release.

        Raises:
            RuntimeError: a process does not start, or the study does not end well.
        """
        with ExitStack() as running:
            running.enter_context(self.relay.running())
            for number, site in enumerate(self.sites):
                self._enrol(site, number)
            roster, _ = make_roster(self.study)
            for site in self.sites:
                shutil.copyfile(self.study.roster, site / "roster.yaml")
                approve_roster(Home(site), read_site_config(site / "site.yaml"), roster.digest)
            running.enter_context(self._process("start", *_command("server", "start", self.study.folder)))
            self._wait("the SuperLink is up", lambda: is_up(self.study))
            self._wait("the sites are enrolled", lambda: len(nodes(self.study)) == len(self.sites))
            if NGINX:
                command = (NGINX, "-c", str(self.study.nginx.resolve()), "-g", "daemon off;")
                running.enter_context(self._process("nginx", *command))
            for site in self.sites:
                running.enter_context(self._joined(site))
            self._wait("the sites are connected", lambda: all(map(self._is_connected, self.sites)))
            with self._process("run", *_command("server", "run", self.study.folder)) as process:
                self._follow(process)
            if process.returncode:
                raise RuntimeError(f"the study did not end well: {self._said('run')[-1000:]}")

    def _enrol(self, site: Path, number: int) -> None:
        home = Home(site)
        shutil.copyfile(self.study.tls.authority, site / "ca.crt")
        shutil.copyfile(self.study.federation, site / "federation.yaml")
        address, local = f"localhost:{self.relay.ports[site.name]}", self._local[number]
        with (site / "site.yaml").open("a") as file:
            agreed = "federation: federation.yaml, roster: roster.yaml"
            file.write(f"coordinator: {{address: '{address}', local_port: {local}, {agreed}}}\n")
        home.folder.mkdir(mode=0o700)
        make_node_key(home.key, home.public_key, site.name)
        approve(home, digest_of_checkout(), "benchmark", contents(installed()))
        enrol_site(self.study, site.name, home.public_key)

    @contextmanager
    def _joined(self, site: Path) -> Iterator[subprocess.Popen]:
        if not self.is_stock:
            with self._process(site.name, *_command("client", "join", site)) as process:
                yield process
            return
        home = Home(site)
        node = Node(home, read_site_config(site / "site.yaml"))
        stock, ours = str(Path(sys.executable).with_name("flower-supernode")), node.command()
        flags = ours[ours.index("--superlink") :]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        more = {**node.environment(), "PATH": path}
        del more["FLWR_SUPEREXEC_TASK_POLL_INTERVAL"]
        home.flower.mkdir()
        with self._process(site.name, stock, *flags, environment=more) as process:
            yield process

    def _is_connected(self, site: Path) -> bool:
        """As the site itself says; Flower's own programs say it nowhere, and the run waits for them."""
        return self.is_stock or state_of(Home(site)).get("state") == "connected"

    def _follow(self, process: subprocess.Popen) -> None:
        """Until the study has ended; when each round did is the time of the status file that says so."""
        while process.poll() is None:
            note_round(self.steps, self.study.run)
            time.sleep(_LOOK_S)

    @contextmanager
    def _process(
        self, name: str, *command: str, environment: Mapping[str, str] = os.environ
    ) -> Iterator[subprocess.Popen]:
        """A process with its output in a file; told to end, and waited for, at the end of the block."""
        folders = (_PROBE, _REPOSITORY)
        own = {
            "PYTHONPATH": os.pathsep.join(map(str, folders)),
            "PYTHONUNBUFFERED": "1",
            "TESSERA_PROBE": str(self.notes),
        }
        with self._log(name).open("a") as log:
            process = subprocess.Popen(command, env={**environment, **own}, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _wait(self, what: str, holds: Callable[[], bool]) -> None:
        if not wait_until(holds, _START_S, 0.2):
            raise RuntimeError(f"after {_START_S:.0f} s still not: {what}; the outputs are in {self.folder}")

    def _said(self, name: str) -> str:
        return self._log(name).read_text() if self._log(name).is_file() else ""

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.out"


def _command(program: str, *arguments: object) -> tuple[str, ...]:
    """One of Tessera's own commands."""
    return sys.executable, "-c", f"from {program}.cli import app; app()", *map(str, arguments)
