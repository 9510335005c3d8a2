"""Whether what a site needs to join lies in its folder: its key, the coordinator's certificate and key, a free port."""

import datetime
import errno
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from cryptography import x509

from client.node.approval import approvals, changed_packages
from client.node.connection import why_taken
from client.node.home import Home
from client.node.supervisor import state_of
from modalities.core.files.tables.delimited import listing
from modalities.core.keyfiles import read_private
from modalities.core.problems import Problem, gathering, note, warning
from modalities.core.release.signing import certificate_fingerprint, fingerprint, public_key
from modalities.core.settings.site import CoordinatorConfig
from modalities.core.supply.packages import contents, installed
from strategies.masking.roster import load_roster

_SOON_DAYS = 30
_ASK = "ask the coordinator for ca.crt, and compare its fingerprint over the telephone"


def own_problems(site: Path, own: CoordinatorConfig, now: datetime.datetime) -> list[Problem]:
    """What is wrong with key, certificate, release key and port of this site folder."""
    home = Home(site)
    return [
        *_key(home),
        *authority_problems(site / own.authority, now),
        *_release_key(site / own.release_key),
        *_approval(home),
        *_port(home, own.local_port),
    ]


def fingerprints(site: Path, own: CoordinatorConfig) -> list[Problem]:
    """What to compare with what the coordinator reads out: somebody may have changed the files on their way."""
    found, remedy = [], "compare it with what the coordinator reads out over the telephone"
    for path, read in ((site / own.authority, certificate_fingerprint), (site / own.release_key, _of_release_key)):
        with suppress(OSError, ValueError):  # what is wrong with them `own_problems` says
            found.append(note(f"fingerprint {read(path)}", remedy, file=path.name))
    with suppress(OSError, ValueError):  # what is wrong with it `roster_problems` says, where masks are required
        roster = load_roster(site / own.roster)
        found.append(note(f"{len(roster.sites)} sites, digest {roster.digest}", remedy, file=own.roster))
    return found


def _of_release_key(path: Path) -> str:
    return fingerprint(public_key(path))


def _key(home: Home) -> list[Problem]:
    file = ".tessera/node.key"
    if not home.key.is_file():
        return [Problem("no node key yet", "make one: tessera-client init", file=file)]
    return _problems_when(lambda: read_private(home.key), file)


def _problems_when(read: Callable[[], object], file: str) -> list[Problem]:
    """What reading a key comes to, under the name that the site knows the file by."""
    problems: list[Problem] = []
    with gathering(problems):
        read()
    return [replace(problem, file=file) for problem in problems]


def authority_problems(path: Path, now: datetime.datetime) -> list[Problem]:
    """What is wrong with the certificate of the study's authority: absent, of another kind, ended or about to."""
    if not path.is_file():
        return [Problem("the coordinator's certificate is not here", _ASK, file=path.name)]
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        return [Problem(f"no certificate in PEM format: {error}", _ASK, file=path.name)]
    if not _is_authority(certificate):
        what = "a certificate, but not an authority's: nothing can be checked with it"
        return [Problem(what, _ASK, file=path.name)]
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < begins:
        what = f"this certificate begins on {begins:%Y-%m-%d}, and this machine's clock says {now:%Y-%m-%d}"
        return [Problem(what, "set the clock, and keep it right with NTP", file=path.name)]
    if now > ends:
        what = f"this certificate ended on {ends:%Y-%m-%d}, and this machine's clock says {now:%Y-%m-%d}"
        return [Problem(what, f"set the clock if it is wrong; otherwise {_ASK}", file=path.name)]
    if (ends - now).days < _SOON_DAYS:
        return [warning(f"this certificate ends on {ends:%Y-%m-%d}", _ASK, file=path.name)]
    return []


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _release_key(path: Path) -> list[Problem]:
    if not path.is_file():
        what = "the coordinator's release key is not here: releases cannot be checked"
        return [warning(what, "ask the coordinator for release.pub", file=path.name)]
    return _problems_when(lambda: public_key(path), path.name)


def _approval(home: Home) -> list[Problem]:
    known, here = approvals(home), contents(installed())
    if any(not changed_packages(approval, here) for approval in known.values()):
        return []
    if known:
        latest = max(known.values(), key=lambda approval: approval["time"])
        what = f"packages changed since code was approved: {listing(changed_packages(latest, here))}"
        remedy = f"install those again, or once you know why: tessera-client trust {home.site} --from-checkout"
        return [Problem(what, remedy, file=".tessera/approved.json")]
    remedy = f"review it, then: tessera-client trust {home.site} --from-checkout"
    return [warning("no code is approved yet: needed to join", remedy, file=".tessera/approved.json")]


def _port(home: Home, port: int) -> list[Problem]:
    """Whether Flower's own processes can have their port on loopback."""
    error, place = why_taken(port), {"file": "site.yaml", "where": "coordinator.local_port"}
    if error is None:
        return []
    if error.errno == errno.EADDRINUSE and state_of(home).get("alive"):
        return [note(f"port {port} of this machine is held by this site's own `join`", **place)]
    why = "another program uses it" if error.errno == errno.EADDRINUSE else error.strerror
    what, remedy = f"port {port} of this machine cannot be had: {why}", "set coordinator.local_port to a free one"
    return [Problem(what, remedy, **place)]
