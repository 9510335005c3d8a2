"""What was spent of the privacy of this site's patients: `.tessera/epsilon.jsonl`, over all studies, for good.

Two kinds of lines: a study that was booked, with its epsilon and the releases that this accounts for, and a release
that was given. A line is on the disk before its reply leaves.
"""

import hashlib
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from logging import getLogger
from typing import Any

from client.audit.facts import tell
from client.node.complaints import COMPLAINT
from client.node.home import Home
from client.study.session import ClientStudy
from modalities.core.files.journal import entries_of, journal
from modalities.core.problems import unusable
from modalities.core.settings.federation import Federation
from modalities.core.settings.private import releases_of
from modalities.core.settings.site import Policy
from strategies.private.accounting import confirmed_multiplier

_LOG = getLogger("tessera.client")
_SECRET_BYTES = 32
_REMEDY = "restore the file from a backup: without it nobody knows what was spent"


@dataclass(frozen=True)
class Spent:
    """The ledger as it stands."""

    bookings: tuple[Mapping[str, Any], ...] = ()
    releases: frozenset[tuple[str, str]] = frozenset()
    """Study and release."""

    @property
    def epsilon(self) -> float:
        """Of all bookings: what a patient who is in all of these studies was asked for, at the most."""
        return sum(booking["epsilon"] for booking in self.bookings)

    def accounted(self, study: str) -> int:
        """Releases of the study that its bookings account for."""
        return sum(booking["releases"] for booking in self.bookings if booking["study"] == study)

    def given(self, study: str) -> int:
        """Releases of the study that were given."""
        return sum(own == study for own, _ in self.releases)


def read_spent(home: Home) -> Spent:
    """What was spent until now.

    Raises:
        ValueError: a line cannot be read.
    """
    return _parsed(home.epsilon.name, entries_of(home.epsilon, _REMEDY))


def beyond_budget(home: Home, federation: Federation, policy: Policy) -> str:
    """Why this site takes no part in the study; empty where its epsilon is booked, or may be."""
    if federation.privacy.masking == "simulated":
        return "its settings say privacy.masking: simulated, which is for simulations"
    epsilon, spent = federation.privacy.epsilon, read_spent(home)
    if not epsilon or spent.accounted(federation.digest):
        return ""
    return _over(spent, epsilon, policy)


def book_release(home: Home, federation: Federation, release: str, policy: Policy) -> None:
    """Book a release before it is given: nothing new for one that was given, the study's epsilon for its first.

    A study that asks for more releases than its epsilon accounts for, as where it is begun anew with other sites, is
    booked once more. Nothing is booked before two accountants agree on its noise.

    Raises:
        ValueError: that would exceed `policy.max_epsilon`, a line of the ledger cannot be read, or they do not agree.
        OSError: it cannot be written.
    """
    study, privacy = federation.digest, federation.privacy
    with journal(home.epsilon, _REMEDY) as ledger:
        spent = _parsed(home.epsilon.name, ledger.entries)
        if (study, release) in spent.releases:
            return
        now = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "study": study}
        lines = [{**now, "release": release}]
        if spent.given(study) >= spent.accounted(study):
            if reason := _over(spent, privacy.epsilon, policy):
                raise ValueError(reason)
            if spent.accounted(study):
                _LOG.warning("more releases asked for than were booked: epsilon is booked once more", extra=COMPLAINT)
            asked = {"epsilon": privacy.epsilon, "delta": privacy.delta, "releases": releases_of(federation.modalities)}
            confirmed_multiplier(*asked.values())
            lines.insert(0, {**now, **asked})
            tell(epsilon=privacy.epsilon)
        ledger.add(*lines)


def noise_secret(study: ClientStudy) -> bytes:
    """What the site's noise is drawn from: random and kept at a real site, of the study's seed in a simulation."""
    if study.home is None:
        return hashlib.sha256(f"noise {study.federation.seed} {study.data.config.name}".encode()).digest()
    path = study.home.noise_key
    if not path.is_file():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = path.with_name(f"{path.name}.{os.getpid()}.part")
        beside.touch(mode=0o600)
        with beside.open("wb") as file:
            file.write(secrets.token_bytes(_SECRET_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(beside, path)  # the first one stays, whoever else began at the same time
        except FileExistsError:
            pass
        finally:
            beside.unlink()
    return path.read_bytes()


def _over(spent: Spent, epsilon: float, policy: Policy) -> str:
    if not policy.max_epsilon or spent.epsilon + epsilon <= policy.max_epsilon:
        return ""
    return (
        f"this study would spend epsilon {epsilon:g}, and {spent.epsilon:g} of {policy.max_epsilon:g} is spent "
        "(policy.max_epsilon in site.yaml): raise that if your patients' privacy may be spent further, or stay out"
    )


def _parsed(file: str, entries: Iterable[Any]) -> Spent:
    bookings, releases = [], set()
    for number, entry in enumerate(entries, start=1):
        try:
            if "release" in entry:
                releases.add((str(entry["study"]), str(entry["release"])))
            else:
                bookings.append({**entry, "epsilon": float(entry["epsilon"]), "releases": int(entry["releases"])})
        except (ValueError, KeyError, TypeError):
            raise unusable("cannot be read", _REMEDY, file=file, where=f"line {number}") from None
    return Spent(tuple(bookings), frozenset(releases))
