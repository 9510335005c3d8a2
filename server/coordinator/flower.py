"""Flower's own programs at the coordinator: its SuperLink, and its command line against it.

The SuperLink listens on loopback with TLS; every setting that Flower keeps stands in the study's folder.
"""

import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from modalities.core.files.atomic import write_atomically
from server.coordinator.folder import Study, enrolled

CONNECTION, FINISHED = "study", "finished"
QUIET = {
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_TELEMETRY_ENABLED": "0",
    "OMP_NUM_THREADS": "1",
    "PYTHONUNBUFFERED": "1",
}
"""Nothing is installed, looked up or reported at run time."""
_START_S, _END_S, _POLL_S, _COMMAND_S = 60.0, 10.0, 0.3, 60.0


def programs() -> Path:
    """The folder of Flower's programs: that of this Python."""
    return Path(sys.executable).parent


def environment(study: Study) -> dict[str, str]:
    """What Flower's programs are started with; no proxy between processes of one machine."""
    path = f"{programs()}{os.pathsep}{os.environ.get('PATH', '')}"
    home = str(study.flower.resolve())
    direct = dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost")
    return {**os.environ, **QUIET, **direct, "PATH": path, "FLWR_HOME": home}


@contextmanager
def superlink(study: Study) -> Iterator[subprocess.Popen]:
    """A running SuperLink; it ends with the block.

    Raises:
        RuntimeError: it does not start; its log says why.
    """
    settings, tls = study.settings(), study.tls
    study.flower.mkdir(parents=True, exist_ok=True)
    _write_connection(study)
    command = [
        *(sys.executable, "-P", str(Path(__file__).parents[1] / "network" / "superlink.py")),
        *("--ssl-ca-certfile", str(tls.authority), "--ssl-certfile", str(tls.certificate)),
        *("--ssl-keyfile", str(tls.key), "--enable-supernode-auth", "--disable-runtime-dependency-installation"),
        *("--database", str(study.flower / "state.db"), "--host", "127.0.0.1", "--port", str(settings.superlink_port)),
    ]
    log = study.flower / "superlink.log"
    with log.open("a", encoding="utf-8") as file:
        process = subprocess.Popen(
            command, env=environment(study), stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        _wait_until_healthy(study, process, log)
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen) -> None:
    """Ask a process and all that it started to end, and kill what has not after a while."""
    for number, patience in ((signal.SIGTERM, _END_S), (signal.SIGKILL, _END_S)):
        if process.poll() is None:
            os.killpg(process.pid, number)
            deadline = time.monotonic() + patience
            while process.poll() is None and time.monotonic() < deadline:
                time.sleep(_POLL_S)


def register_enrolled(study: Study) -> dict[int, str]:
    """Register every enrolled key that is not yet, and unregister those that are no longer; node id -> site.

    Raises:
        RuntimeError: Flower refuses a key.
    """
    wanted = {path.stem: _key_in(path) for path in enrolled(study)}
    known = _registered(study)
    for node_id, node in list(known.items()):
        if wanted.get(node["site"]) != node["key"]:
            ask_flower(study, "supernode", "unregister", str(node_id), CONNECTION)
            del known[node_id]
            _write_registered(study, known)
    present = {node["site"] for node in known.values()}
    for site in sorted(set(wanted) - present):
        path = str(study.sites / f"{site}.pub")
        found = ask_flower(study, "supernode", "register", path, CONNECTION, "--name", site)
        known[int(found["node-id"])] = {"site": site, "key": wanted[site]}
        _write_registered(study, known)
    return nodes(study)


def nodes_file(study: Study) -> Path:
    """Which node is which site, with its key: the server holds a site's own word against it."""
    return study.flower / "nodes.json"


def nodes(study: Study) -> dict[int, str]:
    """Node id -> site, as registered."""
    return {node_id: node["site"] for node_id, node in _registered(study).items()}


def _registered(study: Study) -> dict[int, dict[str, str]]:
    path = nodes_file(study)
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {int(node_id): node for node_id, node in known.items()}


def _write_registered(study: Study, known: Mapping[int, Mapping[str, str]]) -> None:
    text = json.dumps({str(node_id): node for node_id, node in sorted(known.items())}, indent=1)
    write_atomically(nodes_file(study), text.encode())


def _key_in(path: Path) -> str:
    return path.read_text(encoding="ascii").split()[1]


def ask_flower(study: Study, *arguments: str) -> dict[str, Any]:
    """Flower's command line, answering in JSON.

    Raises:
        RuntimeError: it fails; the message is Flower's.
    """
    command = [str(programs() / "flwr"), *arguments, "--format", "json"]
    done = subprocess.run(
        command, env=environment(study), capture_output=True, text=True, timeout=_COMMAND_S, check=False
    )
    found = _json_in(done.stdout)
    if done.returncode or found is None or found.get("success") is False:
        said = (found or {}).get("error-message") or done.stdout + done.stderr
        raise RuntimeError(f"flwr {' '.join(arguments[:2])}: {str(said).strip()[-500:]}")
    return found


def _json_in(text: str) -> dict[str, Any] | None:
    """Flower prints a word or two before its JSON."""
    start = text.find("{")
    try:
        return json.loads(text[start:]) if start >= 0 else None
    except ValueError:
        return None


def _write_connection(study: Study) -> None:
    """Flower's config.toml: how its command line reaches the SuperLink."""
    authority, port = study.tls.authority.resolve(), study.settings().superlink_port
    text = f"""[superlink]
default = "{CONNECTION}"

[superlink.{CONNECTION}]
address = "127.0.0.1:{port}"
root-certificates = {json.dumps(str(authority))}
"""
    (study.flower / "config.toml").write_text(text, encoding="utf-8")


def _wait_until_healthy(study: Study, process: subprocess.Popen, log: Path) -> None:
    address = f"https://127.0.0.1:{study.settings().superlink_port}/health"
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        if _answers(address, study.tls.authority):
            return
        time.sleep(_POLL_S)
    raise RuntimeError(f"Flower's SuperLink did not start within {_START_S:.0f} s; its log is {log}")


def is_up(study: Study) -> bool:
    """Whether the study's SuperLink answers."""
    return _answers(f"https://127.0.0.1:{study.settings().superlink_port}/health", study.tls.authority)


def _answers(address: str, authority: Path) -> bool:
    try:
        with httpx.Client(verify=ssl.create_default_context(cafile=str(authority)), trust_env=False) as client:
            return client.get(address, timeout=2).status_code < 500
    except httpx.HTTPError:
        return False


def submit(study: Study, app: Path, config: Mapping[str, str | int | float]) -> int:
    """Start a run of this app with this run config; its id.

    Raises:
        RuntimeError: Flower does not take it.
    """
    quoted = [f'{key}="{value}"' if isinstance(value, str) else f"{key}={value}" for key, value in config.items()]
    return int(ask_flower(study, "run", str(app), CONNECTION, "--run-config", " ".join(quoted))["run-id"])


def unfinished_run(study: Study) -> int | None:
    """The run that is still going on, as after a `run` that was interrupted; None where there is none."""
    runs = ask_flower(study, "list", CONNECTION)["runs"]
    going = [int(run["run-id"]) for run in runs if not str(run["status"]).startswith(FINISHED)]
    return going[-1] if going else None


def end_broken_off(study: Study) -> list[int]:
    """End the runs of a SuperLink before this one, which Flower would only give up after a minute; which they were."""
    runs = ask_flower(study, "list", CONNECTION)["runs"]
    broken_off = [int(run["run-id"]) for run in runs if not str(run["status"]).startswith(FINISHED)]
    for run_id in broken_off:
        try:
            ask_flower(study, "stop", str(run_id), CONNECTION)
        except RuntimeError:  # its ServerApp may have outlived the SuperLink, and just now have said that it failed
            if not outcome(study, run_id)[0].startswith(FINISHED):
                raise
    return broken_off


def outcome(study: Study, run_id: int) -> tuple[str, str]:
    """A run's state (`running`, `finished:completed`, `finished:failed`, ...) and what Flower says beside it."""
    runs = ask_flower(study, "list", CONNECTION, "--run-id", str(run_id))["runs"]
    details = str(runs[0].get("status-details") or "")
    return str(runs[0]["status"]), "" if details == "N/A" else details
