"""How a site's connection stands: written by its SuperNode, as data, for `join`, `status` and whoever restarts it."""

import json
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from threading import Lock
from typing import Any

import httpx

from client.node.home import Home
from modalities.core.files.atomic import write_json
from strategies.flower.causes import causes

_COUNTS = ("activate-node", "send-node-heartbeat")
"""Flower's requests after which its server counts a node as connected, for a minute."""
_GOODBYE = "deactivate-node"
_NOT_VALID_NOW = (9, 10)
"""X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED of OpenSSL."""


class State(StrEnum):
    """Of a connection."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    LOST = "lost"
    """It was there; requests fail at present, and are tried again."""
    REFUSED = "refused"
    """The coordinator does not take this site's key."""


class Reason(StrEnum):
    """Why there is no connection."""

    CERTIFICATE = "certificate"
    NOT_VALID_NOW = "not_valid_now"
    NOT_TAKEN = "not_taken"
    NO_LONGER_TAKEN = "no_longer_taken"
    NOTHING_LISTENS = "nothing_listens"
    UNKNOWN_NAME = "unknown_name"
    NO_ANSWER = "no_answer"
    COORDINATOR_AWAY = "coordinator_away"
    NO_TLS = "no_tls"
    NETWORK = "network"
    PORT_IN_USE = "port_in_use"
    SILENT = "silent"


_FINAL = (Reason.CERTIFICATE, Reason.NOT_VALID_NOW)
"""Flower tries no longer then, and the SuperNode ends."""

MEANINGS: Mapping[Reason, str] = {
    Reason.CERTIFICATE: "the server's certificate is not of this study's authority; compare coordinator.authority in "
    "site.yaml with the coordinator's ca.crt",
    Reason.NOT_VALID_NOW: "the server's certificate has ended, or is not valid yet, by this machine's clock; check the "
    "clock, and ask the coordinator to renew the certificate",
    Reason.NOT_TAKEN: "the coordinator does not take this site's key: it is not enrolled, or was revoked, or the last "
    "connection with it is still held, here or on another machine, which passes within a minute; if this stays, send "
    "node.pub to the coordinator",
    Reason.NO_LONGER_TAKEN: "the coordinator does not take this site's key any more: it was revoked, or this machine's "
    "clock is wrong; check the clock, and ask the coordinator",
    Reason.NOTHING_LISTENS: "nothing listens there; the coordinator may be restarting",
    Reason.UNKNOWN_NAME: "no such server name; check coordinator.address in site.yaml",
    Reason.NO_ANSWER: "the server's address takes connections but does not answer; the coordinator's gateway, or a "
    "firewall on the way, may be stalled",
    Reason.COORDINATOR_AWAY: "the coordinator's gateway answers, but its server behind it does not; the coordinator "
    "may be restarting",
    Reason.NO_TLS: "what answers there is no gateway of a study: it speaks no TLS, or another kind; check "
    "coordinator.address in site.yaml",
    Reason.NETWORK: "the network broke the connection",
    Reason.PORT_IN_USE: "another program uses this machine's port for Flower; set coordinator.local_port in site.yaml "
    "to a free one, and join again",
    Reason.SILENT: "nothing was heard from the coordinator for a while, so the connection is made anew",
}
"""In plain words, with what to do."""


@dataclass(frozen=True)
class Connection:
    """What connection.json says."""

    state: State = State.CONNECTING
    since: float = 0.0
    """When it came into this state, in seconds since 1970, as the other times here."""
    last_contact: float | None = None
    """When the coordinator last counted this site as connected, which it does for a minute."""
    reason: Reason | None = None
    """Why it is not connected; None where it is, or where nothing has failed yet."""
    request: str = ""
    """The kind of the message that came last."""


def read_connection(home: Home) -> Connection | None:
    """How it stands, or stood when the SuperNode ended; None where none ever ran."""
    if not home.connection.is_file():
        return None
    said = json.loads(home.connection.read_text(encoding="utf-8"))
    reason = said["reason"] and Reason(said["reason"])
    return Connection(**{**said, "state": State(said["state"]), "reason": reason})


class ConnectionWriter:
    """Keeps connection.json up to date, as the SuperNode's requests fare."""

    def __init__(self, home: Home) -> None:
        """A SuperNode starts."""
        self._home, self._lock = home, Lock()
        self._connection = Connection(since=time.time())
        self._write()

    def answered(self, request: str) -> None:
        """The coordinator answered this request of Flower's."""
        if request in _COUNTS:
            self._change(State.CONNECTED, None, last_contact=time.time())
        elif request != _GOODBYE:
            self._change(State.CONNECTED, None)

    def failed(self, request: str, error: httpx.HTTPError) -> None:
        """This request was not answered, or was refused."""
        reason = reason_of(request, error)
        if reason in (Reason.NOT_TAKEN, Reason.NO_LONGER_TAKEN):
            self._change(State.REFUSED, reason)
        elif reason is not None and request != _GOODBYE:
            was_there = self._connection.last_contact is not None
            self._change(State.LOST if was_there else State.CONNECTING, reason)

    def cannot_start(self, reason: Reason) -> None:
        """Nothing was asked of the coordinator, for this reason."""
        self._change(State.CONNECTING, reason)

    def asked(self, message_type: str) -> None:
        """A message came."""
        self._change(State.CONNECTED, None, request=message_type)

    def _change(self, state: State, reason: Reason | None, **more: Any) -> None:
        with self._lock:
            before = self._connection
            if before.reason in _FINAL:  # what an older connection still answers changes nothing
                return
            since = before.since if state == before.state else time.time()
            self._connection = replace(before, state=state, since=since, reason=reason, **more)
            if self._connection != before:
                self._write()

    def _write(self) -> None:
        """As well as it can be: a full disk must not end a connection."""
        with suppress(OSError):
            write_json(self._home.connection, asdict(self._connection))


def why_taken(port: int) -> OSError | None:
    """Why Flower's own processes cannot have this port on loopback; None where they can."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return error
    return None


def reason_of(request: str, error: httpx.HTTPError) -> Reason | None:
    """Why a request failed, by the kinds of the errors behind it; None for an answer that says nothing of the site."""
    if isinstance(error, httpx.HTTPStatusError):
        return _reason_of_status(request, error.response.status_code)
    behind = list(causes(error))
    untrusted = next((cause for cause in behind if isinstance(cause, ssl.SSLCertVerificationError)), None)
    if untrusted is not None and getattr(untrusted, "verify_code", 0) in _NOT_VALID_NOW:
        return Reason.NOT_VALID_NOW
    kinds: tuple[tuple[type[BaseException], Reason], ...] = (
        (ssl.SSLCertVerificationError, Reason.CERTIFICATE),
        (socket.gaierror, Reason.UNKNOWN_NAME),
        (ConnectionRefusedError, Reason.NOTHING_LISTENS),
        (httpx.TimeoutException, Reason.NO_ANSWER),
        (ssl.SSLEOFError, Reason.NETWORK),  # whoever answered went away, as a gateway that restarts
        (ssl.SSLError, Reason.NO_TLS),
    )
    return next((reason for kind, reason in kinds if any(isinstance(cause, kind) for cause in behind)), Reason.NETWORK)


def _reason_of_status(request: str, code: int) -> Reason | None:
    if code == httpx.codes.UNAUTHORIZED:
        return Reason.NO_LONGER_TAKEN
    if request == "activate-node" and code == httpx.codes.PRECONDITION_FAILED:
        return Reason.NOT_TAKEN
    return Reason.COORDINATOR_AWAY if code >= httpx.codes.INTERNAL_SERVER_ERROR else None
