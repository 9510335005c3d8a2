"""Programs that are started and ended here: what they are told, how long one waits for them, how they end.

Nothing here is Flower's; its programs are why it is needed. They fork, start others and outlive whoever started them.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

from modalities.core.logs import Tell
from strategies.flower.output import hear

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of linux/prctl.h
_END_S, _LOOK_S = 10.0, 0.3


def programs() -> Path:
    """The folder of Flower's programs: that of this Python."""
    return Path(sys.executable).parent


def die_with_parent() -> None:
    """This process ends when the one that started it does, however that ends."""
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGTERM)


def with_vital_children() -> Any:
    """The module `subprocess`, but a program that is started so ends this one (SIGTERM) when it ends.

    Flower starts its SuperExec once and never looks after it: without it no task begins, and nobody hears of that.
    """

    def started(*arguments: Any, **options: Any) -> subprocess.Popen:
        process = subprocess.Popen(*arguments, **options)
        Thread(target=_end_with, args=(process,), daemon=True).start()
        return process

    return SimpleNamespace(**{**vars(subprocess), "Popen": started})


def _end_with(process: subprocess.Popen) -> None:
    process.wait()
    os.kill(os.getpid(), signal.SIGTERM)


def start(command: Sequence[str], environment: Mapping[str, str], tell: Tell) -> subprocess.Popen:
    """A program in a session of its own, each of whose lines is told; `end` ends it."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, start_new_session=True)
    hear(process, tell)
    return process


def end(process: subprocess.Popen, patience_s: float = _END_S) -> None:
    """Ask a program of `start` and all that it started to end, and kill what has not after a while."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(process.pid, number)
            process.wait(patience_s)


def wait_until(holds: Callable[[], bool], seconds: float = float("inf"), look_s: float = _LOOK_S) -> bool:
    """Look again and again whether something holds; whether it did in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(look_s)
    return True
