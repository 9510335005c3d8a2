"""The commands that carry a study, from its folder to its release.

Those that open weights import what they need when they run: torch takes seconds, which the others need not wait for.
"""

import datetime
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import Popen
from typing import Annotated, Any

import typer
import uvicorn
from rich.live import Live

from modalities.core.console import LogJson, Syslog, console, logged, say
from modalities.core.files.open_files import MANY, allow_open_files
from modalities.core.keyfiles import private_file, read_private
from modalities.core.problems import Problem, check, gathering
from modalities.core.release.signing import certificate_fingerprint, check_signature, fingerprint, public_key
from server.coordinator.flower import end_broken_off, is_up, register_enrolled, superlink
from server.coordinator.folder import Gateway, Settings, Study, enrol_site, init_study, revoke_site, write_gateway
from server.coordinator.hand_out import hand_out_files
from server.coordinator.live_view import view
from server.coordinator.renewal import has_ended, problem_of_certificate, renew_certificate
from server.coordinator.roster import fingerprints, kept_roster, lacking, make_roster, outdated
from server.network.gateway import FleetGate, listening
from server.network.renewed import renewing
from server.state.status import read_status
from strategies.bundle import digest_of_checkout
from strategies.flower.processes import wait_until
from strategies.settings import load_federation

_END_S, _LOOK_S = 10.0, 0.5
Folder = Annotated[Path, typer.Argument(help="The study's folder, made by `init`.")]


def init(
    folder: Annotated[Path, typer.Argument(help="A new folder for the study.")],
    san: Annotated[
        list[str] | None, typer.Option(help="Name or address that sites connect to; may be given again.")
    ] = None,
    gateway: Annotated[Gateway, typer.Option(help="nginx, or builtin: within `start`, for one machine.")] = "nginx",
) -> None:
    """Make a study's folder: settings to fill in, certificates, release key, gateway configuration."""
    study = init_study(folder, san or [], gateway)
    say(f"settings, to be filled in: {study.federation} and {study.settings_file}")
    if gateway == "nginx":
        say(f"gateway: {study.nginx}")
    say(f"then: tessera-server hand-out {folder}")


def hand_out(folder: Folder) -> None:
    """Check federation.yaml, and make the folder that every site is given."""
    study = Study(folder)
    study.settings()
    federation = load_federation(study.federation)
    kept, lacks = kept_roster(study), list(lacking(study, federation))
    files = hand_out_files(study)
    say(f"give every site this folder: {study.for_sites} ({', '.join(file.name for file in files)})")
    say("and read out over the telephone:")
    say(f"  {study.tls.authority.name}: fingerprint {certificate_fingerprint(study.tls.authority)}")
    say(f"  {study.release_public_key.name}: fingerprint {fingerprint(public_key(study.release_public_key))}")
    say(f"  code to approve: {digest_of_checkout()}")
    if kept is not None:
        say(f"  {study.roster.name}: {len(kept.sites)} sites, digest {kept.digest}")
    say(f"digest of the settings: {federation.digest}")
    for lack in lacks:
        say(f"warning: {lack}")


def enrol(
    folder: Folder,
    site: Annotated[str, typer.Argument(help="The site's name, as in its site.yaml.")],
    key: Annotated[Path, typer.Option(help="The site's node.pub; compare its fingerprint over the telephone first.")],
) -> None:
    """Let a site take part; a study that is started takes it in at once."""
    study = Study(folder)
    print_of_key = enrol_site(study, site, key)
    if is_up(study):
        register_enrolled(study)
    say(f"{site} is enrolled; the key's fingerprint, which must be what the site reads out: {print_of_key}")
    _say_if_outdated(study)


def revoke(folder: Folder, site: Annotated[str, typer.Argument(help="The site's name.")]) -> None:
    """Shut a site out: from its next request on its key opens nothing."""
    study = Study(folder)
    revoke_site(study, site)
    if is_up(study):
        register_enrolled(study)
    say(f"{site} is shut out; what it contributed until now stays in the study")
    _say_if_outdated(study)


def roster(folder: Folder) -> None:
    """Write roster.yaml, the list of the enrolled sites and their keys, which every site approves for itself."""
    study = Study(folder)
    study.settings()
    made, differing = make_roster(study)
    say(f"{study.roster}: {len(made.sites)} sites, by the fingerprints of their keys:")
    for site, fingerprint_of_key in fingerprints(study).items():
        say(f"  {site}: {fingerprint_of_key}")
    for line in differing:
        say(line)
    if differing:
        say("this is a new roster: every site approves it anew; the one before goes on until enough sites have")
    say(f"read out over the telephone: {study.roster.name}: {len(made.sites)} sites, digest {made.digest}")
    say(f"then: tessera-server hand-out {folder}")


def start(folder: Folder, log_json: LogJson = False, syslog: Syslog = "") -> None:
    """Open the study to its sites, until Ctrl-C: SuperLink on loopback, the gateway in front of it."""
    study = Study(folder)
    study.settings()
    study.flower.mkdir(parents=True, exist_ok=True)
    with logged("start", study.superlink_log, as_json=log_json, syslog=syslog):
        _start(study, log_json)


def _start(study: Study, log_json: bool) -> None:
    settings = study.settings()
    allow_open_files(MANY)
    if ends_soon := problem_of_certificate(study, datetime.datetime.now(datetime.UTC)):
        say(f"warning: {ends_soon}")
    problems: list[Problem] = []
    for key in (study.tls.key, study.release_key):
        with gathering(problems):
            read_private(key)
    check(problems)
    write_gateway(study, log_json=log_json)
    signal.signal(signal.SIGTERM, _interrupt)
    with superlink(study) as process:
        if end_broken_off(study):
            say("the run that broke off with the last `start` is ended; `run` goes on from its last finished step")
        known = register_enrolled(study)
        say(f"code that sites approve (tessera-client trust): {digest_of_checkout()}")
        say(f"{len(known)} sites enrolled: {', '.join(sorted(known.values())) or 'none yet'}")
        if settings.gateway == "builtin":
            with _gate(study, settings) as gate:
                address = f"{settings.address}:{settings.public_port}"
                say(f"sites reach it at {address}; then: tessera-server run {study.folder}")
                _wait_for_the_end(process, gate)
        else:
            say(f"start the gateway: nginx -c {study.nginx.resolve()}; then: tessera-server run {study.folder}")
            _wait_for_the_end(process)


def run(folder: Folder) -> None:
    """Carry the study to its signed release; exit code 0 only if that is there. It goes on from wherever it stands."""
    from modalities.core.release.release import CARD
    from server.coordinator.runs import carry_out

    study = Study(folder)
    with Live(console=console, refresh_per_second=2, transient=not console.is_terminal) as live:
        release = carry_out(study, lambda status: live.update(view(status)))
    if not console.is_terminal:  # where the live view leaves nothing behind
        console.print(view(read_status(study.run)))
    say(f"release: {release}\ncheck it: tessera-server verify {release} --key {study.release_public_key}")
    if (release / CARD).is_file():
        say(f"model card: {release / CARD}")
    say(f"how good it is: tessera-server report {folder}")


def resume(folder: Folder) -> None:
    """Go on with a study that has begun, from its last finished step; otherwise as `run`."""
    from server.coordinator.runs import refuse_unbegun

    refuse_unbegun(Study(folder))
    run(folder)


def release(
    folder: Folder, out: Annotated[Path | None, typer.Option(help="A new folder for a copy of the release.")] = None
) -> None:
    """Sign and check the release of a finished study, written again from the checkpoint if it is not whole."""
    from server.coordinator.runs import finished_release

    study = Study(folder)
    if out is not None and out.exists():
        raise ValueError(f"{out} is there already; name a new folder")
    found = finished_release(study)
    signer = check_signature(found, study.release_public_key)
    if out is not None:
        shutil.copytree(found, out)
        found = out
    say(f"release: {found}, signed by {signer}")


def renew(
    folder: Folder,
    san: Annotated[
        list[str] | None, typer.Option(help="Name or address that sites connect to; without it, those there are now.")
    ] = None,
) -> None:
    """Make a new server certificate under the same authority: sites need not do anything."""
    study = Study(folder)
    names = renew_certificate(study, san or [], datetime.datetime.now(datetime.UTC))
    say(f"new certificate for {', '.join(names)}")
    if study.settings().gateway == "nginx":
        say(f"now: nginx -c {study.nginx.resolve()} -s reload")
    say("a study that is started goes on, and shows the new one to whoever connects from now on")


def status(folder: Folder) -> None:
    """Where the study stands."""
    if ended := has_ended(Study(folder), datetime.datetime.now(datetime.UTC)):
        say(f"error: {ended}")
    found = read_status(Study(folder).run)
    console.print(view(found) if found else "this study has not begun: `run` begins it once enough sites are there")


def verify(
    bundle: Annotated[Path, typer.Argument(help="A release folder.")],
    key: Annotated[Path, typer.Option(help="The coordinator's release.pub, from them, not from the bundle.")],
) -> None:
    """Check a release: every file against its digest, and the signature over all of them."""
    from server.state.release import read_release

    signer = check_signature(bundle, key)
    _, model = read_release(bundle)
    say(f"{bundle}: {len(model['files'])} files as released, signed by {signer}")


def _say_if_outdated(study: Study) -> None:
    """A study that had its roster before: masked sums go on with that until there is another."""
    differing = ""
    with suppress(ValueError):  # a roster that cannot be read: `roster` and `hand-out` say so
        differing = outdated(study)
    if differing:
        say(f"{study.roster} is not of the sites enrolled now ({differing}): tessera-server roster {study.folder}")


@contextmanager
def _gate(study: Study, settings: Settings) -> Iterator[threading.Thread]:
    """The built-in gateway, in a thread of its own; it ends with the block."""
    config = uvicorn.Config(
        FleetGate(study.tls, settings.superlink_port),
        ssl_certfile=str(study.tls.certificate),
        ssl_keyfile=str(private_file(study.tls.key)),
        ssl_context_factory=renewing,
        log_level="warning",
        log_config=None,  # its warnings are in the log of this command
        access_log=False,
        server_header=False,
        ws="none",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening(settings.public_port)],), daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        server.should_exit = True
        thread.join(_END_S)


def _wait_for_the_end(process: Popen, gate: threading.Thread | None = None) -> None:
    """Until this process is told to end; it is an error where the SuperLink or the gateway ends by itself."""
    wait_until(lambda: process.poll() is not None or (gate is not None and not gate.is_alive()), look_s=_LOOK_S)
    if process.poll() is not None:
        raise RuntimeError("Flower's SuperLink ended by itself; its log is flower/superlink.log in the study's folder")
    raise RuntimeError("the gateway ended by itself: does another program use public_port of coordinator.yaml?")


def _interrupt(number: int, frame: Any) -> None:
    """As Ctrl-C, so that what was started is ended too."""
    del number, frame
    raise KeyboardInterrupt
