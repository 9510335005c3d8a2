"""The coordinator as services of the machine: the study, its run and its gateway, put there and taken away."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from modalities.core.console import plainly, say
from modalities.core.problems import unusable
from modalities.core.service.lifecycle import Service, install, remove, stand
from modalities.core.service.machine import Machine, refuse_unreadable
from modalities.core.service.unit import UNITS, Unit, home_protection, owner_of, refuse_odd, unit_text
from server.coordinator.folder import Study
from server.network.certificates import Tls
from server.network.gateway import nginx_configuration
from strategies.bundle import REPOSITORY
from strategies.flower.processes import programs

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The study as services of this machine (systemd).")
Folder = Annotated[Path, typer.Argument(help="The study's folder, made by `init`.")]
Root = Annotated[
    Path | None, typer.Option(help="Below this folder: files are written or removed there, the commands left are said.")
]
_COORDINATOR, _GATEWAY = "tessera-coordinator", "tessera-gateway"
_LOOPBACK_ONLY = "IPAddressAllow=localhost\nIPAddressDeny=any"
_PRIVILEGED = 1024
"""Ports below it take a right of their own."""


@app.command("install")
@plainly
def install_service(
    folder: Folder,
    root: Root = None,
    memory: Annotated[str, typer.Option(help="The most memory each may use, such as 24G, or a share.")] = "80%",
    log_json: Annotated[bool, typer.Option("--log-json", help="As of `start`.")] = False,
    syslog: Annotated[str, typer.Option(help="As of `start`.")] = "",
    no_start: Annotated[bool, typer.Option("--no-start", help="Put them in place only.")] = False,
) -> None:
    """Put the study's services in place, and start study and gateway; once more changes nothing that is as it should.

    The run is put in place, and begun by a person.
    """
    machine, study = Machine(root, say), Study(folder.absolute())
    options = " --log-json" * log_json + (f" --syslog {syslog}" if syslog else "")
    owner = owner_of(study.folder, machine.read(UNITS / _names(study)[0]))
    values = {"memory": memory, "options": options, "owner": owner}
    install(_service(study, values, log_json=log_json), machine, start=not no_start)
    for command in machine.left:
        say(f"left to type: {command}")
    if root is None:
        say(f"once the sites are there, begin the study: systemctl enable --now {_names(study)[1]}")


@app.command("remove")
@plainly
def remove_service(folder: Folder, root: Root = None) -> None:
    """Stop the study's services and take them away: units, gateway, users made for them; the study's folder stays."""
    machine, study = Machine(root, say), Study(folder.absolute())
    if not remove(_names(study), [_configuration(study)], machine):
        say("no service of this study is installed")
    for command in machine.left:
        say(f"left to type: {command}")


@app.command("status")
@plainly
def service_status(folder: Folder, root: Root = None) -> None:
    """Whether each service is installed and runs; exit code 1 where study or gateway do not."""
    machine, study = Machine(root, say), Study(folder.absolute())
    stands = {name: stand(name, machine) for name in _expected(study)}
    for line, _ in stands.values():
        say(line)
    if not all(runs for name, (_, runs) in stands.items() if name != _names(study)[1]):
        raise typer.Exit(1)


def _names(study: Study) -> list[str]:
    return [f"tessera-{part}-{study.folder.name}.service" for part in ("coordinator", "run", "gateway")]


def _expected(study: Study) -> list[str]:
    return _names(study)[: 3 if study.settings().gateway == "nginx" else 2]


def _configuration(study: Study) -> Path:
    return Path("/etc/tessera") / f"gateway-{study.folder.name}.conf"


def _service(study: Study, values: Mapping[str, str], *, log_json: bool) -> Service:
    settings, folder = study.settings(), study.folder
    refuse_odd(folder, programs(), REPOSITORY)
    for path in (study.flower, study.run, study.nginx.parent):
        path.mkdir(exist_ok=True)
    is_nginx = settings.gateway == "nginx"
    values = {
        **values,
        "name": folder.name,
        "folder": str(folder),
        "bin": str(programs()),
        "source": str(REPOSITORY),
        "home": home_protection(folder, programs(), REPOSITORY, Path(sys.executable).resolve()),
        "owned": str(folder),
        "network": _LOOPBACK_ONLY if is_nginx else "",
        "nginx": _nginx() if is_nginx else "",
        "configuration": str(_configuration(study)),
        "capabilities": "CAP_NET_BIND_SERVICE" if settings.public_port < _PRIVILEGED else "",
    }
    names, users = _names(study), [_COORDINATOR, _COORDINATOR, _GATEWAY]
    units = [
        Unit(name, _text(part, {**values, "user": user}), enabled=part != "run")
        for part, name, user in zip(("coordinator", "run", "gateway"), names, users, strict=True)
    ]
    keys = [path for path in (study.tls.key, study.tls.authority_key, study.release_key) if path.exists()]
    return Service(
        units=units if is_nginx else units[:2],
        users=[_COORDINATOR, _GATEWAY][: 1 + is_nginx],
        owned=[
            ("chown", "-R", f"{_COORDINATOR}:{_COORDINATOR}", str(folder)),
            ("chown", "root:root", *map(str, keys)),
        ],
        files={_configuration(study): _gateway(study, log_json=log_json)} if is_nginx else {},
        readable=lambda: refuse_unreadable(_COORDINATOR, [], programs() / "tessera-server", []),
    )


def _text(part: str, values: Mapping[str, str]) -> str:
    return unit_text(REPOSITORY / "deploy" / "systemd" / f"tessera-{part}.service", values)


def _gateway(study: Study, *, log_json: bool) -> str:
    """nginx.conf for certificates that systemd hands over, in the service's own folder, with its log in the journal."""
    settings, unit = study.settings(), _names(study)[2]
    handed, own = Tls(Path("/run/credentials") / unit), Path("/run") / unit.removesuffix(".service")
    ports = settings.public_port, settings.superlink_port
    return nginx_configuration(handed, *ports, own, log_json=log_json, to_syslog=True)


def _nginx() -> str:
    """Where nginx is.

    Raises:
        ValueError: it is not installed.
    """
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        raise unusable("nginx is not installed", "apt-get install nginx, or dnf install nginx")
    return program
