"""A page that a real server shows on a port of this machine, and a browser that keeps its cookies."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from strategies.flower.processes import wait_until
from strategies.page.door import Door
from strategies.page.live import Shown
from strategies.page.serve import listening_on, server_of

PAGE = {"accept": "text/html", "sec-fetch-site": "none", "sec-fetch-mode": "navigate"}
"""What a browser says of an address that somebody typed."""


@dataclass
class Served:
    door: Door
    port: int
    browsers: list[httpx.Client] = field(default_factory=list)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def browser(self) -> httpx.Client:
        """One that has not been here."""
        self.browsers.append(httpx.Client(base_url=self.base, headers=PAGE, trust_env=False, timeout=20))
        return self.browsers[-1]

    def welcome(self) -> httpx.Client:
        """The browser of whoever typed the command."""
        found = self.browser()
        assert found.get(self.door.address, follow_redirects=True).status_code == 200
        return found

    def raw(self, request: bytes) -> bytes:
        """What comes back for these very bytes, to the end."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as to:
            to.sendall(request)
            pieces = []
            while piece := to.recv(65536):
                pieces.append(piece)
        return b"".join(pieces)


@contextmanager
def served(shown: Shown, slowly_s: float = 0.05) -> Iterator[Served]:
    """It ends with the block, whatever streams are open."""
    with listening_on(0) as listening:
        server, door = server_of(shown, listening, slowly_s)
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        assert wait_until(lambda: server.started, 20, 0.02)
        here = Served(door, listening.getsockname()[1])
        try:
            yield here
        finally:
            server.should_exit = True
            thread.join(20)
            for browser in here.browsers:
                browser.close()
        assert not thread.is_alive()


def everything_below(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file with its time and content: what a page that only shows leaves as it is."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}
