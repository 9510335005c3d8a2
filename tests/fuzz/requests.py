"""Damages a real request to the gateway the way that attackers do: its line, its headers, and what its message says."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from hypothesis import strategies as st

from server.network.gateway import FLEET_ROUTES
from tests.fuzz.damage import CELLS, damaged

_METHODS = ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "post", "POST\t", "P", "", "PRI")
_VERSIONS = ("HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/1.2", "HTTP/9.9", "http/1.1", "ICY", "")
_OTHER_PATHS = (
    *("/", "*", "", "/health", "/docs", "/openapi.json", "/v1/fleet", "/v1/fleet/", "/v1/fleet/register-node"),
    *("/v1/fleet/unregister-node", "/v1/control/list-runs", "/v1/control/start-run", "/v1/runtime/push-messages"),
    *("/../v1/control/list-runs", "//v1/control/list-runs", "/v1/fleet/get-run/../../control/list-runs", "/%2e%2e/"),
    *("https://localhost/v1/control/list-runs", "/" + "a" * 9000, "/\xff", "/%00", "/v1/fleet/get-run%00"),
)
_PIECES = ("/", "//", "%2f", "%0a", "%00", "?", "?a=1", "#", ";", "..", "/../", "%2e", "\\", " ", "\t", "\xff", "A", "")
_HEADERS = (
    *(("content-length", n) for n in ("0", "-1", "1e3", "+5", "5, 6", "18446744073709551616", "9000000", " 3")),
    *(("transfer-encoding", coding) for coding in ("chunked", "xchunked", "gzip, chunked", "identity", "chunked\t")),
    *(("content-type", kind) for kind in ("", "application/json", "text/html", "application/protobuf; a=b", "\xff")),
    *(("content-encoding", "gzip"), ("expect", "100-continue"), ("expect", "x"), ("upgrade", "websocket")),
    *(("connection", "upgrade, x-flwr-signature"), ("connection", "close"), ("host", "a/b"), ("host", "")),
    *(("x-forwarded-for", "::1"), ("x-original-url", "/v1/control/list-runs"), ("range", "bytes=0-"), ("te", "x")),
    *(("authorization", "Basic eDp5"), ("cookie", "a" * 5000), ("x" * 300, "y"), ("a b", "c"), ("", "d"), ("a:b", "")),
)
_NUMBERS = (0, 1, -1, 2**31, 2**63 - 1, 2**63, 2**64 - 1)
_REALS = (0.0, -1.0, 1e-300, 1e308, float("nan"), float("inf"), 30.0)
_DEEP = 150
_LARGE_BYTES = 1_000_000
"""A list that is as large is not made longer: the gateway takes 8 MiB."""
_TEXTS = (*CELLS, "0" * 64, "x" * 100_000, "' OR 1=1 --", "../../x")


@dataclass(frozen=True)
class Request:
    """One request, as it goes over the wire."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    version: str = "HTTP/1.1"
    length: str = "right"
    """How long it says that its body is: `right`, `none`, or in `chunks`."""

    def wire(self) -> bytes:
        """Its bytes."""
        headers = self.headers
        body = self.body
        if self.length == "right":
            headers = (*headers, ("content-length", str(len(body))))
        if self.length == "chunks":
            headers = (*headers, ("transfer-encoding", "chunked"))
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
        lines = [f"{self.method} {self.path} {self.version}", *(f"{name}: {value}" for name, value in headers)]
        return "\r\n".join([*lines, "", ""]).encode("latin-1", errors="replace") + body


def mutated(draw: Callable, real: Request, messages: Mapping[str, Message]) -> Request:
    """The request after one to three mishaps; `messages` are real ones by route."""
    request, message = real, messages[real.path].__class__()
    message.CopyFrom(messages[real.path])
    for _ in range(draw(st.integers(1, 3))):
        what = draw(st.sampled_from(("message", "message", "message", "bytes", "other", "headers", "headers", "line")))
        if what == "message":
            _change_a_field(draw, message, _TEXTS)
            request = replace(request, body=message.SerializeToString())
        elif what == "bytes":
            request = replace(request, body=damaged(draw, request.body, None))
        elif what == "other":
            other = messages[draw(st.sampled_from(sorted(messages)))]
            request = replace(request, body=other.SerializeToString())
        elif what == "headers":
            request = _with_other_headers(draw, request)
        else:
            request = _with_another_line(draw, request)
    return request


def _with_another_line(draw: Callable, request: Request) -> Request:
    what = draw(st.sampled_from(("method", "version", "path", "place", "length")))
    if what == "method":
        return replace(request, method=draw(st.sampled_from(_METHODS)))
    if what == "version":
        return replace(request, version=draw(st.sampled_from(_VERSIONS)))
    if what == "length":
        return replace(request, length=draw(st.sampled_from(("none", "chunks"))))
    if what == "path":
        return replace(request, path=draw(st.sampled_from((*_OTHER_PATHS, *FLEET_ROUTES))))
    at = draw(st.integers(0, len(request.path)))
    piece, lost = draw(st.sampled_from(_PIECES)), draw(st.integers(0, 2))
    return replace(request, path=request.path[:at] + piece + request.path[at + lost :])


def _with_other_headers(draw: Callable, request: Request) -> Request:
    headers = list(request.headers)
    what = draw(st.sampled_from(("lose", "double", "change", "add", "fold")))
    at = draw(st.integers(0, max(0, len(headers) - 1)))
    if what == "add" or not headers:
        headers.insert(at, draw(st.sampled_from(_HEADERS)))
    elif what == "lose":
        del headers[at]
    elif what == "double":
        headers.append(headers[at])
    elif what == "fold":
        headers[at] = (headers[at][0], f"a\r\n {headers[at][1]}")
    else:
        name, value = headers[at]
        where = draw(st.integers(0, 60))  # signatures are of different lengths
        other = draw(st.sampled_from((*CELLS, "A", "=", "Z")))
        headers[at] = (name, value[:where] + other + value[where + draw(st.integers(0, 5)) :])
    return replace(request, headers=tuple(headers))


def _change_a_field(draw: Callable, message: Message, texts: tuple[str, ...]) -> None:
    """Another value somewhere in the message, or in one that it holds."""
    while fields := list(message.DESCRIPTOR.fields):
        field = draw(st.sampled_from(fields))
        is_message, held = field.type == FieldDescriptor.TYPE_MESSAGE, getattr(message, field.name)
        if field.is_repeated:
            if is_message and held and not hasattr(held, "keys") and draw(st.booleans()):
                message = held[draw(st.integers(0, len(held) - 1))]
                continue
            _change_a_list(draw, message, field)
            return
        if not is_message:
            setattr(message, field.name, _value(draw, field, texts))
            return
        if not message.HasField(field.name) or draw(st.integers(0, 3)) == 0:
            message.ClearField(field.name) if draw(st.booleans()) else held.SetInParent()
            return
        message = held


def _change_a_list(draw: Callable, message: Message, field: FieldDescriptor) -> None:
    held = getattr(message, field.name)
    what = draw(st.sampled_from(("lose", "double", "many", "deep")))
    if what == "lose" or not len(held) or message.ByteSize() > _LARGE_BYTES or hasattr(held, "keys"):
        message.ClearField(field.name)
    elif what in ("double", "many"):
        more = list(held) if what == "double" else [held[0]] * min(300, _LARGE_BYTES // (1 + _size(held[0])))
        with suppress(DecodeError):  # one that is too deep to be copied
            held.extend(more)
    elif field.message_type is not None and field.message_type.fields_by_name.get("children") is not None:
        inner = held[0]
        for _ in range(_DEEP):
            inner.object_id = inner.object_id or "0" * 64
            inner = inner.children.add()


def _size(value: object) -> int:
    return value.ByteSize() if isinstance(value, Message) else 8


def _value(draw: Callable, field: FieldDescriptor, texts: tuple[str, ...]) -> object:
    if field.type == FieldDescriptor.TYPE_STRING:
        return draw(st.sampled_from(texts))
    if field.type == FieldDescriptor.TYPE_BYTES:
        return draw(st.one_of(st.binary(max_size=200), st.sampled_from(texts).map(str.encode)))
    if field.type in (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT):
        return draw(st.sampled_from(_REALS))
    if field.type == FieldDescriptor.TYPE_BOOL:
        return draw(st.booleans())
    least, most = _RANGES.get(field.type, (-(2**31), 2**31 - 1))
    return draw(st.sampled_from([number for number in _NUMBERS if least <= number <= most]))


_RANGES = {
    FieldDescriptor.TYPE_UINT64: (0, 2**64 - 1),
    FieldDescriptor.TYPE_FIXED64: (0, 2**64 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_SINT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
}
