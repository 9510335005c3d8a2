"""Who may see a live page: whoever has the token that the command printed, once; and then that browser alone.

Others on the machine reach the port too, and so does every web page that a browser on it has open. So a request must
name this machine (a name that DNS turned to it is refused), come from the page itself or from nowhere, only read, and
bring the token, or the cookie that the token was exchanged for.
"""

import asyncio
import hmac
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from fastapi import Request
from fastapi.responses import PlainTextResponse, RedirectResponse, Response

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

NAMES = ("127.0.0.1", "localhost", "[::1]")
"""What this machine is called in an address, before the port."""
_BYTES = 32
_ASK_AGAIN = "end the command that shows this page, start it again, and open the address that it prints"
_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
"""Of every answer, unless it says another."""


class Door:
    """An app that is asked only by those who may."""

    def __init__(self, app: App, port: int, slowly_s: float) -> None:
        """In front of this app; a wrong token or cookie is answered after `slowly_s`, one at a time."""
        self._app, self._port, self._slowly_s = app, port, slowly_s
        self._token, self._key = secrets.token_urlsafe(_BYTES), secrets.token_urlsafe(_BYTES)
        self._is_spent, self._guess = False, asyncio.Lock()

    @property
    def address(self) -> str:
        """What the command prints; it opens the page once."""
        return f"http://{NAMES[0]}:{self._port}/?token={self._token}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return

        async def guarded(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                said = {name.lower() for name, _ in message["headers"]}
                more = [(name.encode(), text.encode()) for name, text in _HEADERS.items() if name.encode() not in said]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        answer = await self._answer(Request(scope))
        await (answer or self._app)(scope, receive, guarded)

    async def _answer(self, request: Request) -> Response | None:
        """A refusal, or the exchange of the token; None for a request that the page is to answer."""
        hosts = request.headers.getlist("host")
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return _refused(f"this page is at {NAMES[0]}:{self._port} only, also through a tunnel")
        if not self._is_own(request, hosts[0]):
            return _refused("another page asked for this one: type its address, or paste it")
        if request.method != "GET":
            return PlainTextResponse("this page is only to be read", 405, {"allow": "GET"})
        if self._has_cookie(request):
            return RedirectResponse("/", 303) if "token" in parse_qs(request.url.query) else None
        return await self._exchanged(request)

    @property
    def _hosts(self) -> list[str]:
        return [f"{name}:{self._port}" for name in NAMES]

    @staticmethod
    def _is_own(request: Request, host: str) -> bool:
        """Whether no other site of the browser had a hand in the request."""
        origins, sites = request.headers.getlist("origin"), request.headers.getlist("sec-fetch-site")
        return set(origins) <= {f"http://{host}"} and set(sites) <= {"same-origin", "none"}

    @property
    def _cookie(self) -> str:
        """By the port: a browser keeps the cookies of all ports of a machine together."""
        return f"tessera_{self._port}"

    def _has_cookie(self, request: Request) -> bool:
        held = request.cookies.get(self._cookie, "")
        return self._is_spent and hmac.compare_digest(held.encode(), self._key.encode())

    async def _exchanged(self, request: Request) -> Response:
        tokens = parse_qs(request.url.query).get("token", [])
        is_right = len(tokens) == 1 and hmac.compare_digest(tokens[0].encode(), self._token.encode())
        if is_right and request.url.path == "/" and not self._is_spent:
            self._is_spent = True
            answer = RedirectResponse("/", 303)
            answer.set_cookie(self._cookie, self._key, path="/", httponly=True, samesite="strict")
            return answer
        if not tokens and self._cookie not in request.cookies:
            return _refused(f"this page is open to one browser: {_ASK_AGAIN}")
        if self._guess.locked():
            return PlainTextResponse("one at a time", 429, {"retry-after": "1"})
        async with self._guess:
            await asyncio.sleep(self._slowly_s)
        return _refused(f"this address was used already: {_ASK_AGAIN}" if is_right else f"not the token: {_ASK_AGAIN}")


def _refused(why: str) -> Response:
    return PlainTextResponse(why, 403)
