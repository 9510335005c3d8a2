"""Shows a live page on a port of this machine, until Ctrl-C."""

import socket
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from modalities.core.problems import unusable
from strategies.page.door import NAMES, Door
from strategies.page.live import Live, Shown

_MOST_CONNECTIONS, _END_S = 64, 2


def serve(shown: Shown, port: int, say: Callable[[str], None]) -> None:
    """Say the address that opens the page once, and show it until this process is interrupted.

    Raises:
        ValueError: the port is taken.
    """
    with listening_on(port) as listening:
        server, door = server_of(shown, listening)
        say(f"open this in a browser of this machine, once: {door.address}")
        say("it shows, and changes nothing; end it with Ctrl-C")
        with suppress(KeyboardInterrupt):
            server.run(sockets=[listening])


def listening_on(port: int) -> socket.socket:
    """A socket that only this machine reaches; 0 takes a free port.

    Raises:
        ValueError: the port is taken.
    """
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((NAMES[0], port))
        found.listen()  # not only when the first page is asked for: another program could take the port until then
    except OSError as error:
        found.close()
        raise unusable(f"port {port} of this machine: {error.strerror}", "give another with --port") from None
    return found


def server_of(shown: Shown, listening: socket.socket, slowly_s: float = 1.0) -> tuple[uvicorn.Server, Door]:
    """What answers on this socket once it is run; nothing of what is asked is written anywhere."""
    config = uvicorn.Config(
        "",
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=_END_S,
    )
    server = uvicorn.Server(config)
    config.app = Door(Live(shown, lambda: server.should_exit).app(), listening.getsockname()[1], slowly_s)
    return server, config.app
