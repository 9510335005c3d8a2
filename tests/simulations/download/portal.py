"""A server on this machine that answers as the GDC and cBioPortal do, and fails as servers do."""

import hashlib
import json
import socket
import ssl
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

WORKFLOW, TYPE = "DNAcopy", "Masked Copy Number Segment"


@dataclass
class File:
    """A file of the GDC, and what goes wrong with it; each fault once, the last one for ever if `lasts`."""

    id: str
    name: str
    content: bytes
    case_id: str = "TCGA-A1-A0SB"
    sample_id: str = ""
    type: str = TYPE
    workflow: str = WORKFLOW
    access: str = "open"
    aliquot: str = ""
    faults: list[str] = field(default_factory=list)
    lasts: bool = False

    def hit(self) -> dict:
        """What `files` says of it."""
        sample_id = self.sample_id or f"{self.case_id}-01A"
        tissue = ("Tumor", "Primary") if sample_id[13:15] == "01" else ("Normal", "Not Applicable")
        sample = {"submitter_id": sample_id, "tissue_type": tissue[0], "tumor_descriptor": tissue[1]}
        sample |= {"sample_type": "Primary Tumor" if tissue[0] == "Tumor" else "Blood Derived Normal"}
        return {
            "id": self.id,
            "file_id": self.id,
            "file_name": self.name,
            "md5sum": hashlib.md5(self.content).hexdigest(),
            "file_size": len(self.content),
            "state": "released",
            "access": self.access,
            "data_category": "Copy Number Variation",
            "data_type": self.type,
            "analysis": {"workflow_type": self.workflow},
            "associated_entities": [
                {"entity_submitter_id": self.aliquot or f"{sample_id}-11D-A107-01", "entity_type": "aliquot"}
            ],
            "cases": [
                {
                    "submitter_id": self.case_id,
                    "project": {"project_id": "TCGA-BRCA"},
                    "tissue_source_site": {"name": f"Hospital {self.case_id[5:7]}"},
                    "samples": [sample],
                }
            ],
        }


@dataclass
class Portal:
    """What the server has, and what was asked of it."""

    files: list[File]
    attributes: dict[str, list[dict]] = field(default_factory=dict)
    """By study of cBioPortal."""
    values: dict[str, list[dict]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    """Of everything but the files' content."""
    page: int = 1000
    pace_s: float = 0.0
    """Between 64 KiB of a file."""
    asked: list[tuple[str, str, int]] = field(default_factory=list)
    """File id, Range, status."""
    address: str = ""
    leave: threading.Event = field(default_factory=threading.Event)

    def named(self, name: str) -> File:
        return next(file for file in self.files if file.name == name)

    def asked_of(self, file: File) -> list[tuple[str, int]]:
        return [(given, status) for file_id, given, status in self.asked if file_id == file.id]


@contextmanager
def serving(portal: Portal, tls: tuple[str, str] | None = None) -> Iterator[Portal]:
    """Run the server; `tls` is a certificate for localhost and its key."""
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"portal": portal}))
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    portal.address = f"{'https' if tls else 'http'}://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield portal
    finally:
        portal.leave.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *args: object) -> None:
        """A client that leaves is no news."""


def _at(hit: object, path: Sequence[str]) -> list:
    """The values at a dotted field, through lists."""
    if isinstance(hit, list):
        return [value for item in hit for value in _at(item, path)]
    if not path:
        return [hit]
    return _at(hit[path[0]], path[1:]) if isinstance(hit, dict) and path[0] in hit else []


class _Handler(BaseHTTPRequestHandler):
    portal: Portal
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        """Says nothing."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/files" or self._failed():
            return
        wanted = {f["content"]["field"]: set(f["content"]["value"]) for f in asked["filters"]["content"]}
        assert all(f["op"] == "in" for f in asked["filters"]["content"])
        hits = [file.hit() for file in self.portal.files]
        hits = [hit for hit in hits if all(wanted[name] & {*_at(hit, name.split("."))} for name in wanted)]
        hits = sorted(hits, key=lambda hit: hit["file_id"])
        page = hits[asked["from"] :][: min(asked["size"], self.portal.page)]
        self._json({"data": {"hits": page, "pagination": {"total": len(hits), "count": len(page)}}, "warnings": {}})

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        _, kind, *rest = url.path.split("/")
        if kind == "data":
            held = [file for file in self.portal.files if file.id == rest[0]]
            self._content(held[0]) if held else self._status(404)
            return
        study, what = rest[1], rest[2]
        if self._failed():
            return
        if what == "clinical-attributes":
            self._json(self.portal.attributes[study])
        else:
            has_sample = parse_qs(url.query)["clinicalDataType"] == ["SAMPLE"]
            self._json([value for value in self.portal.values[study] if ("sampleId" in value) == has_sample])

    def _failed(self) -> bool:
        """Whether a fault was the answer."""
        if not self.portal.faults:
            return False
        self._status(int(self.portal.faults.pop(0)))
        return True

    def _status(self, code: int, **headers: str) -> None:
        body = json.dumps({"message": "no"}).encode()
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _json(self, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _content(self, file: File) -> None:
        given = self.headers.get("Range", "")
        fault = (file.faults[0] if len(file.faults) == 1 and file.lasts else file.faults.pop(0)) if file.faults else ""
        if fault.isdecimal():
            self.portal.asked.append((file.id, given, int(fault)))
            self._status(int(fault), **({"Retry_After": "1"} if fault == "503" else {}))
            return
        content = file.content if fault != "md5" else bytes(255 - byte for byte in file.content)
        first = int(given.removeprefix("bytes=").removesuffix("-")) if given and fault != "ignores range" else 0
        self.portal.asked.append((file.id, given, 206 if first else 200))
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(content) - first))
        self.send_header("Content-Disposition", "attachment; filename=../../elsewhere.txt")
        if first:
            begins = first + (fault == "another place")
            self.send_header("Content-Range", f"bytes {begins}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        self._body(content[first:], fault)

    def _body(self, body: bytes, fault: str) -> None:
        """All of it, slowly, or half, after which the connection ends, is cut, or says nothing more."""
        half = fault in ("short", "cut", "stalls")
        body = body[: len(body) // 2] if half else body
        for place in range(0, len(body), 1 << 16):
            self.wfile.write(body[place : place + (1 << 16)])
            if self.portal.pace_s and self.portal.leave.wait(self.portal.pace_s):
                break
        self.wfile.flush()
        if fault == "stalls":
            self.portal.leave.wait()
        if fault == "cut":  # the other side sees a reset
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = self.close_connection or half
