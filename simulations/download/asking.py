"""Asks a public server patiently: what may pass is tried again after a pause, what will not is said at once.

TLS certificates are always checked, by the roots that httpx brings or those that SSL_CERT_FILE names.
"""

import asyncio
import random
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx

from modalities.core.problems import unusable
from strategies.flower.causes import causes

_PASSING = (408, 425, 429)
"""Answers below 500 that may be others a little later."""
_PROGRESS_BYTES = 1 << 20
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Manner:
    """How patiently a server is asked."""

    tries: int = 6
    """In a row; one that brought a file forward by 1 MiB begins a new row."""
    parallel: int = 4
    """Files at a time."""
    pause_s: float = 1.0
    """After the first try; it doubles, and a random half of it is left out, so that files do not come back together."""
    longest_pause_s: float = 60.0
    longest_wait_s: float = 600.0
    """A server that asks for more in Retry-After is left alone."""
    stall_s: float = 60.0
    """Without a byte, the connection is given up."""


class TroubleError(Exception):
    """Why a request came to nothing."""

    def __init__(self, reason: str, *, passes: bool = True, wait_s: float = 0.0) -> None:
        """A reason that passes is worth another try, after so many seconds if the server said so."""
        super().__init__(reason)
        self.reason, self.passes, self.wait_s = reason, passes, wait_s


def client_of(manner: Manner) -> httpx.AsyncClient:
    """Speaks to any server, through the proxy that the environment names; bodies come as they are, never packed."""
    return httpx.AsyncClient(
        timeout=manner.stall_s,
        headers={"Accept-Encoding": "identity"},
        limits=httpx.Limits(max_connections=manner.parallel + 1),
    )


def checked_address(option: str, address: str) -> str:
    """The address without a slash at its end.

    Raises:
        ValueError: it is none, or would be asked without TLS.
    """
    parts = urlsplit(address)
    if not parts.hostname or parts.scheme not in ("http", "https"):
        raise unusable(f"{option}: no address, got {address!r}", "give one like https://api.gdc.cancer.gov")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise unusable(f"{option}: {address} would be asked without TLS", "give an address that begins with https://")
    return address.rstrip("/")


async def patiently(
    attempt: Callable[[], Awaitable[_Answer]], manner: Manner, reached: Callable[[], int] = lambda: 0
) -> _Answer:
    """What the attempt gives, after as many tries as it takes and the manner allows; `reached` counts bytes kept.

    Raises:
        TroubleError: of the last try.
    """
    tries, furthest = 0, reached()
    while True:
        try:
            return await attempt()
        except (httpx.HTTPError, TroubleError) as error:
            trouble = _trouble_of(error)
        tries, furthest = (1, reached()) if reached() >= furthest + _PROGRESS_BYTES else (tries + 1, furthest)
        if not trouble.passes or tries >= manner.tries or trouble.wait_s > manner.longest_wait_s:
            raise trouble
        pause = min(manner.longest_pause_s, manner.pause_s * 2 ** (tries - 1)) * random.uniform(0.5, 1)
        await asyncio.sleep(max(pause, trouble.wait_s))


async def json_from(client: httpx.AsyncClient, manner: Manner, method: str, url: str, **request: Any) -> Any:
    """What a server answers in JSON.

    Raises:
        ValueError: it does not, however often it is asked.
    """

    async def attempt() -> Any:
        answer = await client.request(method, url, **request)
        refuse_status(answer)
        try:
            return answer.json()
        except ValueError:
            raise TroubleError("the answer is no JSON") from None

    try:
        return await patiently(attempt, manner)
    except TroubleError as trouble:
        raise unusable(f"{url}: {trouble.reason}", "try again later, or name a mirror") from None


def refuse_status(answer: httpx.Response) -> None:
    """Raise what an answer without content means."""
    code = answer.status_code
    if answer.is_success:
        return
    passes = code in _PASSING or answer.is_server_error
    raise TroubleError(f"the server answers {code}", passes=passes, wait_s=_wait_s(answer.headers) if passes else 0.0)


def _wait_s(headers: Mapping[str, str]) -> float:
    """What Retry-After asks for: seconds, or a date."""
    asked = headers.get("retry-after", "").strip()
    if asked.isdecimal():
        return float(asked)
    try:
        return max(0.0, parsedate_to_datetime(asked).timestamp() - time.time())
    except ValueError:
        return 0.0


def _trouble_of(error: httpx.HTTPError | TroubleError) -> TroubleError:
    """The same in words, and whether another try may help."""
    if isinstance(error, TroubleError):
        return error
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes(error)):
        return TroubleError("its certificate is not trusted (SSL_CERT_FILE names other roots)", passes=False)
    if isinstance(error, httpx.TimeoutException):
        return TroubleError("no answer in time")
    return TroubleError(
        f"the connection failed ({type(error).__name__})", passes=isinstance(error, httpx.TransportError)
    )
