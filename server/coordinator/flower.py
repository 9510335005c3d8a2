"""Flower's own programs at the coordinator: its SuperLink, and its command line against it.

The SuperLink listens on loopback with TLS; every setting that Flower keeps stands in the study's folder.
"""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from modalities.core.files.atomic import write_json
from modalities.core.keyfiles import private_file
from modalities.core.logs import teller
from server.coordinator.folder import Study, enrolled
from server.network.database import DATABASE, is_new, make, opened
from strategies.flower import command_line
from strategies.flower.command_line import details_of, is_finished
from strategies.flower.environment import DIRECT, environment
from strategies.flower.health import is_healthy, wait_until_healthy
from strategies.flower.processes import end, start

CONNECTION = "study"
"""What Flower's command line calls the study's SuperLink."""


@contextmanager
def superlink(study: Study) -> Iterator[subprocess.Popen]:
    """A running SuperLink; it ends with the block.

    Raises:
        ValueError: the study has one that runs; its health would pass for that of a second, and its runs be ended. Or
            its database is damaged.
        RuntimeError: it does not start; its log says why.
    """
    settings = study.settings()
    if is_up(study):
        raise ValueError(f"{study.folder}: another `tessera-server start` has opened this study; end that one first")
    with opened(study.flower):
        if is_new(database(study)):
            nodes_file(study).unlink(missing_ok=True)  # every key is to be registered anew
            make(database(study))
        _write_connection(study)
        with _started(study, settings.superlink_port) as process:
            yield process


@contextmanager
def _started(study: Study, port: int) -> Iterator[subprocess.Popen]:
    tls = study.tls
    command = [
        *(sys.executable, "-P", str(Path(__file__).parents[1] / "network" / "superlink.py")),
        *("--ssl-ca-certfile", str(tls.authority), "--ssl-certfile", str(tls.certificate)),
        *(
            "--ssl-keyfile",
            str(private_file(tls.key)),
            "--enable-supernode-auth",
            "--disable-runtime-dependency-installation",
        ),
        *("--database", str(database(study)), "--host", "127.0.0.1", "--port", str(port)),
    ]
    process = start(command, _environment(study), teller("superlink"))
    try:
        wait_until_healthy(process, study.superlink_log, port, tls.authority)
        yield process
    finally:
        end(process)


def _environment(study: Study) -> dict[str, str]:
    return environment(study.flower.resolve(), **DIRECT)


def register_enrolled(study: Study) -> dict[int, str]:
    """Register every enrolled key that is not yet, and unregister those that are no longer; node id -> site.

    Raises:
        RuntimeError: Flower refuses a key.
    """
    with registering(study):
        _register_enrolled(study)
    return nodes(study)


@contextmanager
def registering(study: Study) -> Iterator[None]:
    """Nobody else registers a key meanwhile, so that Flower's database and nodes.json agree."""
    descriptor = os.open(study.flower, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _register_enrolled(study: Study) -> None:
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
        registered = ask_flower(study, "supernode", "register", path, CONNECTION, "--name", site)
        known[int(registered["node-id"])] = {"site": site, "key": wanted[site]}
        _write_registered(study, known)


def database(study: Study) -> Path:
    """Flower's own: nodes, runs, and messages on their way."""
    return study.flower / DATABASE


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
    write_json(nodes_file(study), {str(node_id): node for node_id, node in sorted(known.items())})


def _key_in(path: Path) -> str:
    return path.read_text(encoding="ascii").split()[1]


def ask_flower(study: Study, *arguments: str) -> dict[str, Any]:
    """What Flower's command line answers about this study's SuperLink.

    Raises:
        RuntimeError: it fails; the message is Flower's.
    """
    return command_line.ask_flower(_environment(study), *arguments)


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


def is_up(study: Study) -> bool:
    """Whether the study's SuperLink answers."""
    return is_healthy(study.settings().superlink_port, study.tls.authority)


def submit(study: Study, app: Path, config: Mapping[str, str | int | float]) -> int:
    """Start a run of this app with this run config; its id.

    Raises:
        RuntimeError: Flower does not take it.
    """
    quoted = [f'{key}="{value}"' if isinstance(value, str) else f"{key}={value}" for key, value in config.items()]
    return int(ask_flower(study, "run", str(app), CONNECTION, "--run-config", " ".join(quoted))["run-id"])


def unfinished_runs(study: Study) -> list[int]:
    """The runs that still go on, as after a `run` that was interrupted."""
    runs = ask_flower(study, "list", CONNECTION)["runs"]
    return [int(run["run-id"]) for run in runs if not is_finished(str(run["status"]))]


def end_broken_off(study: Study) -> list[int]:
    """End the runs of a SuperLink before this one, which Flower would only give up after a minute; which they were."""
    broken_off = unfinished_runs(study)
    for run_id in broken_off:
        try:
            ask_flower(study, "stop", str(run_id), CONNECTION)
        except RuntimeError:  # its ServerApp may have outlived the SuperLink, and just now have said that it failed
            if not is_finished(outcome(study, run_id)[0]):
                raise
    return broken_off


def outcome(study: Study, run_id: int) -> tuple[str, str]:
    """A run's status (`running`, `finished:completed`, `finished:failed`, ...) and what Flower says beside it."""
    (run,) = ask_flower(study, "list", CONNECTION, "--run-id", str(run_id))["runs"]
    return str(run["status"]), details_of(run)
