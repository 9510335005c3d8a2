"""What a program that was started here prints: told line by line, with the level that its line begins with.

The lines are Flower's and uvicorn's, whose forms are described nowhere; a line of neither is told as it is. The level
is for whoever reads along: nothing is decided by it.
"""

import fcntl
import logging
import re
from contextlib import suppress
from subprocess import Popen
from threading import Thread
from typing import IO

from modalities.core.logs import Tell

_LEVELS = "DEBUG|INFO|WARNING|ERROR|CRITICAL"
_FLOWERS = re.compile(rf"(?:\x1b\[\d+m)?({_LEVELS}) *(?:[\d :,-]{{23}})?(?:\x1b\[0m)?:\s*(.*)", re.DOTALL)
_UVICORNS = re.compile(rf"\d{{4}}-\d\d-\d\dT[\d:.]+Z ({_LEVELS}) (.*)", re.DOTALL)
_LONGEST, _PIPE_BYTES = 2**16, 2**20


def hear(process: Popen[bytes], tell: Tell) -> None:
    """Tell every line that a program prints, from threads of their own, until it and all that it started have ended."""
    for stream, level in ((process.stdout, logging.INFO), (process.stderr, logging.WARNING)):
        if stream is not None:
            with suppress(OSError):  # so that a program goes on for a while where this process stands still
                fcntl.fcntl(stream, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
            Thread(target=_hear, args=(stream, level, tell), daemon=True).start()


def _hear(stream: IO[bytes], usual: int, tell: Tell) -> None:
    with stream:
        while line := stream.readline(_LONGEST):
            level, text = parsed(line.decode("utf-8", "backslashreplace").rstrip(), usual)
            if text:
                tell(level, text)


def parsed(line: str, usual: int) -> tuple[int, str]:
    """The level that a line begins with, and the rest; `usual` and the whole line where it begins with none."""
    match = _FLOWERS.fullmatch(line) or _UVICORNS.fullmatch(line)
    return (logging.getLevelNamesMapping()[match[1]], match[2]) if match else (usual, line)
