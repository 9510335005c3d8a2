"""A study in Flower's simulation engine (Ray): Flower's own command line, in processes and folders of its own."""

import importlib.util
import shlex
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console

from client.study.session import site_folders
from modalities.core.device import n_gpus, processors
from modalities.core.problems import check
from server.state.notes import INFO
from server.state.status import read_status, stage
from strategies.bundle import REPOSITORY, staged_app
from strategies.flower.command_line import COMPLETED, ask_flower, details_of
from strategies.flower.environment import DIRECT, QUIET, environment
from strategies.flower.health import wait_until_healthy
from strategies.flower.processes import programs, wait_until

LOG = "flower.log"
_SETTINGS = {**QUIET, "RAY_USAGE_STATS_ENABLED": "0"}
"""What a person who types the line needs too."""
_END_S, _LOOK_S, _SHOW_S = 10.0, 0.2, 5.0


def run_in_flower(
    federation_yaml: Path,
    site_root: Path,
    out: Path,
    n_sites: int,
    console: Console | None = None,
    timeout_s: float = 7200.0,
) -> None:
    """Run the study; then `out` holds `release/` and `checkpoint.safetensors`, and Flower's whole log as flower.log.

    Flower's own folder, its port and its processes are made for this run and end with it, however it ends. A checkpoint
    in `out` is resumed.

    Raises:
        ValueError: there are no settings, fewer site folders than sites, or no Flower to run.
        RuntimeError: the run did not complete; the message says where the log is.
    """
    console = console or Console()
    federation_yaml, site_root, out = federation_yaml.resolve(), site_root.resolve(), out.resolve()
    _refuse_what_cannot_run(federation_yaml, site_root, n_sites)
    out.mkdir(parents=True, exist_ok=True)
    (out / LOG).unlink(missing_ok=True)
    arguments = run_arguments(federation_yaml, site_root, out, n_sites)
    by_hand = f"The same by hand (log: {out / LOG}):\n{typed_line(arguments)}"
    console.print(by_hand, soft_wrap=True, markup=False, highlight=False)
    # Below /tmp: Ray's sockets must not have long paths.
    with tempfile.TemporaryDirectory(prefix="tessera-", dir="/tmp", ignore_cleanup_errors=True) as own:
        settings = _environment(Path(own))
        app = staged_app(REPOSITORY, Path(own) / "tessera")
        with _superlink(settings, Path(own) / "empty", out / LOG):
            in_time = _follow(["run", str(app), *arguments], settings, out, console, timeout_s)
            outcome = _outcome(settings) if in_time else f"stopped: not finished after {timeout_s:.0f} s"
    if outcome != COMPLETED:
        raise RuntimeError(f"the Flower run did not complete ({outcome}); its log is {out / LOG}")


def run_arguments(federation_yaml: Path, site_root: Path, out: Path, n_sites: int) -> list[str]:
    """What follows `flwr run APP`: as many Ray workers as there are sites or processors, one processor each.

    They share the GPUs that torch finds.
    """
    n_workers = min(n_sites, processors())
    run_config = {"federation": federation_yaml, "site-root": site_root, "out": out}
    quoted = [f'{key}="{path}"' for key, path in run_config.items()]
    engine = f"num-supernodes={n_sites} client-resources-num-cpus=1 init-args-num-cpus={n_workers}"
    if there := n_gpus():  # Ray hides them from a worker that asks for none
        engine += f" client-resources-num-gpus={min(1.0, int(1000 * there / n_workers) / 1000)}"
    return ["--stream", "--federation-config", engine, "--run-config", " ".join([*quoted, f"sites={n_sites}"])]


def typed_line(arguments: Sequence[str]) -> str:
    """The whole line for a shell: Flower looks its other programs up in PATH."""
    settings = [f'PATH="{programs()}:$PATH"', *(f"{name}={value}" for name, value in _SETTINGS.items())]
    return " ".join([*settings, shlex.join(["flwr", "run", str(REPOSITORY), *arguments])])


def _refuse_what_cannot_run(federation_yaml: Path, site_root: Path, n_sites: int) -> None:
    """Say at once what is missing, and what to do: Flower would say it late, or in its log alone."""
    description, n_folders = REPOSITORY / "pyproject.toml", len(site_folders(site_root))
    check(
        [f"{federation_yaml}: no such file"] * (not federation_yaml.is_file())
        + [f"{site_root}: {n_folders} site folders for {n_sites} sites"] * (n_folders < n_sites)
        + [f"no Flower simulation in {programs()}: pip install '.[simulation]' (make setup does it)"]
        * (importlib.util.find_spec("ray") is None or not (programs() / "flwr").is_file())
        + [f"{REPOSITORY}: no Flower app here; run from a clone of the repository, installed as editable"]
        * (not description.is_file() or "[tool.flwr.app]" not in description.read_text(encoding="utf-8"))
    )


def _environment(own: Path) -> dict[str, str]:
    """Flower's and Ray's folders below `own`, a free port, and no cluster."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    ray = {"RAY_TMPDIR": str(own), "RAY_ADDRESS": "local"}
    return environment(own / "flwr", **_SETTINGS, **DIRECT, **ray, FLWR_LOCAL_SUPERLINK_HTTP_API_PORT=port)


@contextmanager
def _superlink(environment: Mapping[str, str], empty: Path, log: Path) -> Iterator[None]:
    """A local SuperLink as `flwr run` would start it, but as a child, so that it ends with all that it started."""
    empty.mkdir()
    port = environment["FLWR_LOCAL_SUPERLINK_HTTP_API_PORT"]
    command = ["flower-superlink", "--insecure", "--simulation", "--isolation", "subprocess"]
    # The shell outlives us by as long as it takes to end the SuperLink: its input closes when this process is gone.
    until_we_end = '"$@" & child=$!; cat > /dev/null; kill "$child"; wait "$child"'
    with log.open("a", encoding="utf-8") as file:
        process = subprocess.Popen(
            ["sh", "-c", until_we_end, "sh", *command, "--host", "127.0.0.1", "--port", port],
            env=environment,
            cwd=empty,  # Ray's workers import from there before they look into the bundle
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is ours to handle
        )
    try:
        wait_until_healthy(process, log, int(port))
        yield
    finally:
        _end_with_descendants(process)


def _end_with_descendants(process: subprocess.Popen) -> None:
    """Ask all of them to end, and kill those that have not after a while; nothing they hold is worth keeping."""
    with suppress(psutil.NoSuchProcess):
        family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.terminate()
        wait_until(lambda: process.poll() is not None and not any(map(_is_alive, family)), _END_S, _LOOK_S)
        for member in filter(_is_alive, family):
            with suppress(psutil.NoSuchProcess):
                member.kill()
    if process.stdin is not None:
        process.stdin.close()
    process.wait()


def _is_alive(member: psutil.Process) -> bool:
    try:
        return member.is_running() and member.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _follow(
    arguments: Sequence[str], environment: Mapping[str, str], out: Path, console: Console, timeout_s: float
) -> bool:
    """Run `flwr`, keep what it says in the log and show the study's status; whether it ended in time."""
    command, steps = [programs() / "flwr", *arguments], _Steps(out, console)
    with (
        (out / LOG).open("a", encoding="utf-8") as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT) as flwr,
    ):

        def is_over() -> bool:
            steps.show_new()
            return flwr.poll() is not None

        try:
            return wait_until(is_over, timeout_s, _LOOK_S)
        finally:
            flwr.kill()


class _Steps:
    """A study's steps, as the status file in its folder tells them."""

    def __init__(self, folder: Path, console: Console) -> None:
        self._folder, self._console = folder, console
        self._seen, self._shown, self._notes = time.time(), time.monotonic(), list[Any]()

    def show_new(self) -> None:
        """Show what was not used and who is away, each once, and now and then the step."""
        status = read_status(self._folder)
        if status.get("time", 0.0) <= self._seen:  # or it is of an earlier run
            return
        self._seen = status["time"]
        lines = [
            f"{note['site']}, {note['part']}: {note['text']}"
            for note in status["notes"]
            if note["level"] != INFO and note not in self._notes
        ]
        self._notes = status["notes"]
        if time.monotonic() - self._shown > _SHOW_S:
            lines.append(stage(status, "statistics"))
            self._shown = time.monotonic()
        for line in lines:
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def _outcome(environment: Mapping[str, str]) -> str:
    """What Flower says became of the run: `flwr run` exits 0 even where the ServerApp raised."""
    try:
        runs = ask_flower(environment, "list")["runs"]
    except RuntimeError:
        runs = []
    if not runs:
        return "Flower did not accept the run"
    return ": ".join(filter(None, (runs[0]["status"], details_of(runs[0]))))
