"""Whether this machine reaches the study's gateway, as Flower will: through which proxy, over whose TLS, and when.

The requests are two empty ones, over the HTTP client that Flower itself uses, so that a proxy is found and left out by
the very same rules (HTTPS_PROXY, ALL_PROXY, NO_PROXY). They hold nothing of the site.
"""

import datetime
import math
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx
from cryptography import x509

from client.check.certificate import certificate_of, distrust
from modalities.core.problems import Problem, note, warning
from strategies.flower.causes import causes

FLEET_ROUTE = "/v1/fleet/get-run"
"""Passes the gateway; the SuperLink behind it refuses an empty request without a signature (415)."""
TIMEOUT_S = 5.0
MOST_AHEAD_S, MOST_BEHIND_S, WORTH_A_WORD_S = 5.0, 305.0, 2.0
"""Flower refuses a signature made more than 5 s ahead of the server's clock, or 305 s behind."""
_PLACE = {"file": "site.yaml", "where": "coordinator.address"}
_AWAY = (502, 503, 504)
_Cause = TypeVar("_Cause", bound=BaseException)


@dataclass
class _Way:
    """What is seen of a connection while it is made."""

    first: str = ""
    """`host:port` that it went to first: the gateway, or a proxy."""
    version: str = ""
    """Of the last TLS layer that was set up; empty: there was none."""
    certificate: x509.Certificate | None = None
    """What the other side of it presented."""
    status: int = 0
    """Of the last answer, a proxy's to CONNECT included."""

    def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        """Take note of an event of httpcore."""
        if event.endswith("connect_tcp.started"):
            host = f"[{info['host']}]" if ":" in info["host"] else info["host"]  # an IPv6 address
            self.first = self.first or f"{host}:{info['port']}"
        if event.endswith("start_tls.complete"):
            tls = info["return_value"].get_extra_info("ssl_object")
            self.version, self.certificate = tls.version(), certificate_of(tls)
        if event.endswith("receive_response_headers.complete"):
            _, self.status, *_ = info["return_value"]


def reach_problems(address: str, authority: Path) -> list[Problem]:
    """Whether the gateway at `name:port` is reached, and how far this machine's clock is from its own."""
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        trusting.load_verify_locations(cafile=authority)
    except (OSError, ssl.SSLError):
        return []  # said of the file itself
    way = _Way()
    try:
        with httpx.Client(verify=trusting, timeout=TIMEOUT_S) as client:
            fleet = client.post(f"https://{address}{FLEET_ROUTE}", extensions={"trace": way})
            before, started = time.time(), time.monotonic()
            root = client.get(f"https://{address}/")
            took = time.monotonic() - started
    except (httpx.InvalidURL, ValueError, ImportError) as error:
        what = f"HTTPS_PROXY or ALL_PROXY names a proxy that cannot be used: {error}"
        return [Problem(what, "correct the variable: http://name:port")]
    except httpx.HTTPError as error:
        return [_trouble(error, way, address, authority)]
    found = [_reached(address, way), *_gateway(address, fleet.status_code, root.status_code)]
    return [*found, *_clock(root.headers.get("date", ""), before, took)]


def _reached(address: str, way: _Way) -> Problem:
    through = "" if way.first == address else f" through the proxy {way.first}"
    until = f"until {way.certificate.not_valid_after_utc:%Y-%m-%d}" if way.certificate else ""
    return note(f"{address} is reached{through}: {way.version}, certificate of the study's authority {until}")


def _gateway(address: str, fleet: int, root: int) -> list[Problem]:
    """Whether what answers is a gateway: 404 for everything but the fleet routes."""
    if fleet in _AWAY:
        what = f"the gateway at {address} answers, but the study's server behind it does not run ({fleet})"
        return [warning(what, "ask the coordinator; `join` waits for it", **_PLACE)]
    if root != httpx.codes.NOT_FOUND or fleet == httpx.codes.NOT_FOUND:
        what = f"what answers at {address} is not the study's gateway (/ gives {root}, {FLEET_ROUTE} gives {fleet})"
        return [warning(what, "compare the address with the coordinator's", **_PLACE)]
    return []


def _clock(date: str, before: float, took: float) -> list[Problem]:
    """This clock against the gateway's `Date`, which has whole seconds, so the middle of one is taken for it."""
    try:
        theirs = parsedate_to_datetime(date).timestamp() + 0.5
    except ValueError:
        return [note("the gateway does not say what time it is: the clock is not compared")]
    ahead, within = before + took / 2 - theirs, 0.5 + took / 2
    if abs(ahead) <= WORTH_A_WORD_S + within:
        return [note(f"clock: less than {math.ceil(abs(ahead) + within)} s from the gateway's")]
    level = "warning" if -MOST_BEHIND_S <= ahead <= MOST_AHEAD_S else "error"
    side = "ahead of" if ahead > 0 else "behind"
    what = (
        f"this machine's clock is {abs(ahead):.0f} s {side} the gateway's (to within {within:.1f} s), and the server "
        f"refuses more than {MOST_AHEAD_S:.0f} s ahead or {MOST_BEHIND_S:.0f} s behind"
    )
    return [Problem(what, "set the clock, and keep it right with NTP", level=level)]


def _trouble(error: httpx.HTTPError, way: _Way, address: str, authority: Path) -> Problem:
    """Which link of the way there is broken, and who can mend it."""
    proxy = way.first if way.first not in ("", address) else ""
    if isinstance(error, httpx.ProxyError) and proxy:
        return _refused_by(proxy, way.status, str(error), address)
    distrusted = _cause(error, ssl.SSLCertVerificationError)
    if distrusted is not None:
        now = datetime.datetime.now(datetime.UTC)
        return distrust(distrusted.verify_code, _presented(address), authority, address, now)
    return _broken(error, proxy, address)


def _broken(error: httpx.HTTPError, proxy: str, address: str) -> Problem:
    where, name = proxy or address, (proxy or address).rpartition(":")[0]
    whose = f"the proxy {proxy} (HTTPS_PROXY)" if proxy else address
    firewall = f"ask IT for this firewall line: allow outbound TCP from this machine to {where}; nothing inbound"
    if _cause(error, socket.gaierror) is not None:
        remedy = (
            "correct HTTPS_PROXY" if proxy else "correct coordinator.address, or ask IT why its DNS does not know it"
        )
        return Problem(f"no such name: {name}", remedy, **_PLACE)
    if _cause(error, ConnectionRefusedError) is not None:
        remedy = "correct HTTPS_PROXY" if proxy else f"ask the coordinator whether the gateway runs; if so, {firewall}"
        return Problem(f"{whose} refuses the connection: nothing listens there", remedy, **_PLACE)
    if isinstance(error, httpx.TimeoutException):
        remedy = firewall if proxy else f"{firewall} (or, where the house has a web proxy, set HTTPS_PROXY)"
        return Problem(f"{whose} does not answer within {TIMEOUT_S:.0f} s", remedy, **_PLACE)
    if _cause(error, ssl.SSLError) is not None:
        what = f"what answers at {address} does not speak TLS as the gateway does: {error}"
        return Problem(what, "compare the address, and its port, with the coordinator's", **_PLACE)
    what = f"{whose} breaks the connection off: {str(error) or type(error).__name__}"
    return Problem(what, f"ask IT whether a firewall looks into TLS to {address}, which it must not", **_PLACE)


def _refused_by(proxy: str, status: int, said: str, address: str) -> Problem:
    """The proxy answers, but does not let this connection through; `said` is its status with a word on it."""
    what = f"the proxy {proxy} (HTTPS_PROXY) does not let this machine through to {address}: {said}"
    if status == httpx.codes.PROXY_AUTHENTICATION_REQUIRED:
        remedy = f"it wants a name and a password: HTTPS_PROXY=http://NAME:PASSWORD@{proxy}, or ask IT to do without"
    elif status in _AWAY:
        remedy = f"ask IT whether the proxy itself reaches {address}, and the coordinator whether the gateway runs"
    else:
        remedy = f"ask IT to allow CONNECT to {address}, or set NO_PROXY if this machine may go there by itself"
    return Problem(what, remedy, **_PLACE)


def _presented(address: str) -> x509.Certificate | None:
    """The certificate that answers, looked at without trusting it: for the message only; what it says is not read."""
    way, url = _Way(), f"https://{address}/"
    with (
        suppress(httpx.HTTPError),
        httpx.Client(verify=False, timeout=TIMEOUT_S) as client,
        client.stream("HEAD", url, extensions={"trace": way}),
    ):
        pass
    return way.certificate


def _cause(error: BaseException, kind: type[_Cause]) -> _Cause | None:
    """The first of this kind among an error and what caused it."""
    return next((cause for cause in causes(error) if isinstance(cause, kind)), None)
