"""Counts what passes between each site and the gateway: all bytes of its TCP connections, TLS and headers included."""

import asyncio
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

_CHUNK = 2**18
_START_S = 10.0


class Relay:
    """A port for each site; what comes there goes on to the gateway as it is, still encrypted."""

    def __init__(self, gateway_port: int, sites: Sequence[str]) -> None:
        """Nothing listens yet."""
        self.ports: dict[str, int] = {}
        self._gateway_port, self._sites = gateway_port, sites
        self._passed: dict[tuple[str, str], list[tuple[float, int]]] = defaultdict(list)

    def n_bytes(self, site: str, way: str, began: float, ended: float) -> int:
        """How many bytes went `up` to the gateway or `down` to the site in this time."""
        return sum(size for when, size in list(self._passed[site, way]) if began <= when < ended)

    @contextmanager
    def running(self) -> Iterator["Relay"]:
        """Open until the end of the block."""
        loop, is_open = asyncio.new_event_loop(), threading.Event()
        thread = threading.Thread(target=lambda: loop.run_until_complete(self._serve(is_open)), daemon=True)
        thread.start()
        if not is_open.wait(_START_S):
            raise RuntimeError("the relay does not start")
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(self._stop.set)
            thread.join(_START_S)

    async def _serve(self, is_open: threading.Event) -> None:
        self._stop = asyncio.Event()
        servers = {}
        for site in self._sites:
            servers[site] = await asyncio.start_server(self._handler(site), "127.0.0.1", 0, limit=_CHUNK)
            self.ports[site] = servers[site].sockets[0].getsockname()[1]
        is_open.set()
        await self._stop.wait()
        for server in servers.values():
            server.close()
        own = asyncio.current_task()
        for task in [task for task in asyncio.all_tasks() if task is not own]:
            task.cancel()

    def _handler(self, site: str):  # noqa: ANN202  # asyncio's own type is longer than the function
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(OSError, asyncio.CancelledError):
                inner = await asyncio.open_connection("127.0.0.1", self._gateway_port, limit=_CHUNK)
                up, down = self._pump(site, "up", reader, inner[1]), self._pump(site, "down", inner[0], writer)
                await asyncio.gather(up, down)

        return handle

    async def _pump(self, site: str, way: str, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Pass on until either end closes; then close the other."""
        try:
            while piece := await source.read(_CHUNK):
                self._passed[site, way].append((time.time(), len(piece)))
                sink.write(piece)
                await sink.drain()
        finally:
            sink.close()
