"""Whether a SuperLink of this machine is up: its `/health`, which Flower does not describe."""

import ssl
import subprocess
from pathlib import Path

import httpx

from strategies.flower.processes import wait_until

_START_S, _ANSWER_S = 180.0, 2.0
"""To start in, on a machine that other work keeps busy too; one that ends instead is noticed at once."""


def is_healthy(port: int, authority: Path | None = None) -> bool:
    """Whether it answers, over TLS where there is an authority."""
    verify = ssl.create_default_context(cafile=str(authority)) if authority else False
    try:
        with httpx.Client(verify=verify, trust_env=False) as client:  # no proxy between processes of one machine
            address = f"{'https' if authority else 'http'}://127.0.0.1:{port}/health"
            return client.get(address, timeout=_ANSWER_S).status_code < httpx.codes.INTERNAL_SERVER_ERROR
    except httpx.HTTPError:
        return False


def wait_until_healthy(process: subprocess.Popen, log: Path, port: int, authority: Path | None = None) -> None:
    """Wait for a SuperLink that was just started.

    Raises:
        RuntimeError: it does not start; its log says why.
    """
    if not wait_until(lambda: process.poll() is not None or is_healthy(port, authority), _START_S):
        raise RuntimeError(f"Flower's SuperLink did not start within {_START_S:.0f} s; its log is {log}")
    if process.poll() is not None:
        raise RuntimeError(f"Flower's SuperLink ended as soon as it was started; its log is {log}")
