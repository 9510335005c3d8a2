"""Requests of Flower's programs that are taken and answered as a whole.

Flower's SuperLink passes each request through eight of Starlette's `BaseHTTPMiddleware`, which hand every chunk of a
body on through a task group of their own, and every answer through a stream. That serves answers without an end; a
message of a study has one, and Flower holds it in memory anyhow. A SuperNode does likewise with two of them. Why it
pays: docs/decisions/0023-requests-as-a-whole.md.
"""

from typing import Any

from flwr.supercore.protobuf.translation import PROTOBUF_REQUEST_TYPES
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

WHOLE = frozenset(key for key in PROTOBUF_REQUEST_TYPES if key[1].startswith(("/v1/fleet/", "/v1/runtime/")))
"""Method and path of the requests whose body and answer are one message each; `control` has streams."""
_OF_CONTROL = "flwr.superlink.routers.control.middlewares"
"""Whose middlewares let all other requests pass."""
_flowing = BaseHTTPMiddleware.__call__


def take_requests_whole() -> None:
    """In this process, from now on; the middlewares themselves do what they did."""
    BaseHTTPMiddleware.__call__ = _call


async def _call(self: Any, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http" or (scope["method"], scope["path"]) not in WHOLE:
        await _flowing(self, scope, receive, send)
        return
    if type(self).__module__ == _OF_CONTROL:
        await self.app(scope, receive, send)
        return
    request = Request(scope, receive)

    async def body() -> Message:
        return {"type": "http.request", "body": await request.body(), "more_body": False}

    async def answered(asked: Request) -> Response:
        return await _answer(self.app, asked.scope, body)

    response = await self.dispatch_func(request, answered)
    await response(scope, receive, send)


async def _answer(app: ASGIApp, scope: Scope, receive: Receive) -> Response:
    """What the application says to a request, once it has said all."""
    response, pieces = Response(), []

    async def hear(message: Message) -> None:
        if message["type"] == "http.response.start":
            response.status_code, response.raw_headers = message["status"], list(message["headers"])
        else:
            pieces.append(message.get("body", b""))

    await app(scope, receive, hear)
    response.body = b"".join(pieces)
    return response
