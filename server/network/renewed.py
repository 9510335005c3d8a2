"""A certificate that is replaced on the disk is shown from the next connection on: nothing is stopped for it."""

import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from uvicorn import Config


def renewing(config: Config, make: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """The context of uvicorn's `ssl_context_factory`, which hands each connection to one of the newest certificate.

    Where that cannot be read, as while it is being written, or is not of the key, the one before goes on.
    """
    certificate = Path(str(config.ssl_certfile))
    held = {"of": certificate.stat().st_mtime_ns, "context": make()}
    outer = make()

    def choose(connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        del name, context
        with suppress(OSError):  # an SSLError is one
            if (now := certificate.stat().st_mtime_ns) != held["of"]:
                held.update(context=make(), of=now)
        connection.context = held["context"]

    outer.sni_callback = choose
    return outer
