"""A site as a service of the machine: its unit, and the commands that put it there and take it away."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from client.node.home import Home
from modalities.core.console import plainly, say
from modalities.core.problems import unusable
from modalities.core.service.lifecycle import Service, install, remove, stand
from modalities.core.service.machine import Machine, groups_of, refuse_unreadable
from modalities.core.service.unit import Unit, home_protection, owner_of, refuse_odd, unit_text
from modalities.core.settings.site import SITE_FILE, SiteConfig, read_site_config
from strategies.bundle import REPOSITORY
from strategies.flower.processes import programs

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The site as a service of this machine (systemd).")
Site = Annotated[Path, typer.Argument(help="The site folder, with its site.yaml.")]
Root = Annotated[
    Path | None, typer.Option(help="Below this folder: files are written or removed there, the commands left are said.")
]
_USER = "tessera-site"
_GPU = "DevicePolicy=closed\nDeviceAllow=char-nvidia-frontend rw\nDeviceAllow=char-nvidia-uvm rw"
"""For PrivateDevices=yes, which hides every device but /dev/null and its like."""


@app.command("install")
@plainly
def install_service(
    site: Site,
    root: Root = None,
    user: Annotated[str, typer.Option("--as", help="The user it runs as; made where it is missing.")] = _USER,
    memory: Annotated[str, typer.Option(help="The most memory it may use, such as 24G, or a share.")] = "80%",
    gpu: Annotated[bool, typer.Option("--gpu", help="Let it use NVIDIA's devices.")] = False,
    log_json: Annotated[bool, typer.Option("--log-json", help="As of `join`.")] = False,
    syslog: Annotated[str, typer.Option(help="As of `join`.")] = "",
    no_start: Annotated[bool, typer.Option("--no-start", help="Put it in place only.")] = False,
) -> None:
    """Put the site's service in place and start it; once more changes nothing that is as it should be."""
    machine, site = Machine(root, say), site.absolute()
    config = _ready(site)
    options = " --log-json" * log_json + (f" --syslog {syslog}" if syslog else "")
    devices = _GPU if gpu else "PrivateDevices=yes"
    owner = owner_of(Home(site).folder, machine.read(Unit(_unit_name(config)).path))
    values = {"owner": owner, "user": user, "memory": memory, "options": options, "devices": devices}
    install(_service(site, config, values), machine, start=not no_start)
    _say_what_is_left(machine, [_unit_name(config)], start=not no_start)


@app.command("remove")
@plainly
def remove_service(site: Site, root: Root = None) -> None:
    """Stop the site's service and take it away: its unit, and the user that was made for it; the site folder stays."""
    machine, name = Machine(root, say), _unit_name(read_site_config(site / SITE_FILE))
    if not remove([name], [], machine):
        say(f"{name} is not installed")
    _say_what_is_left(machine, [], start=False)


@app.command("status")
@plainly
def service_status(site: Site, root: Root = None) -> None:
    """Whether the site's service is installed and runs; exit code 1 if it does not. `status` says what it does."""
    config = read_site_config(site / SITE_FILE)
    line, runs = stand(_unit_name(config), Machine(root, say))
    say(line)
    if not runs:
        raise typer.Exit(1)


def _unit_name(config: SiteConfig) -> str:
    return f"tessera-site-{config.name}.service"


def _ready(site: Path) -> SiteConfig:
    """The site's settings, if it has been made ready to join."""
    config, home = read_site_config(site / SITE_FILE), Home(site)
    refuse_odd(site, programs(), REPOSITORY)
    if not home.key.is_file():
        raise unusable("no node key", f"make one: tessera-client init {site}", file=str(home.key))
    return config


def _service(site: Path, config: SiteConfig, values: dict[str, str]) -> Service:
    home, user, program = Home(site), values["user"], programs() / "tessera-client"
    data = [site, *(site / path for source in config.sources.values() for path in source.paths)]
    groups = groups_of(data)
    values = {
        **values,
        "name": config.name,
        "folder": str(site),
        "bin": str(programs()),
        "source": str(REPOSITORY),
        "groups": " ".join(groups.values()),
        "home": home_protection(*data, programs(), REPOSITORY, Path(sys.executable).resolve()),
        "owned": str(home.folder),
    }
    text = unit_text(REPOSITORY / "deploy" / "systemd" / "tessera-site.service", values)
    group = str(site.stat().st_gid or user)
    return Service(
        units=[Unit(_unit_name(config), text)],
        users=[user],
        owned=[
            ("chown", "-R", f"{user}:{group}", str(home.folder)),
            ("chmod", "2750", str(home.folder)),
            ("chown", "root:root", str(home.key)),
        ],
        readable=lambda: refuse_unreadable(user, list(groups), program, data),
    )


def _say_what_is_left(machine: Machine, names: list[str], *, start: bool) -> None:
    for command in machine.left:
        say(f"left to type: {command}")
    if names and start and machine.root is None:
        say(f"it runs, and after every boot; what it says: journalctl -u {names[0]}, and site.log")
