"""Runs each task of a site in a fresh process that has its libraries already: forked from one that imported them.

Flower starts a program for every message. Python, Flower and torch take seconds to import, so the program that it
finds (`client.node.programs`) only hands its arguments to this server, which forks. The code of the study comes with
the run and is imported after the fork, from the bundle that the site approved, unless that is the very code that this
server imported; nothing of an earlier message is left in the process.

Run as a program: python -m client.node.fork_server SOCKET SITE_FOLDER
"""

import gc
import importlib
import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from logging import getLogger
from pathlib import Path

from client.node.approval import CODE, refuse_unapproved
from client.node.complaints import COMPLAINT, complaints_kept
from client.node.home import Home
from modalities.core.problems import remedy_of
from modalities.core.supply.packages import contents, installed
from strategies.bundle import digest_of_checkout
from strategies.flower.processes import die_with_parent
from strategies.flower.tasks import MODULE, PROGRAM, run_task

LIBRARIES = (MODULE, "client.app", "torch._dynamo", "httpcore", "cryptography.hazmat.backends.openssl.backend")
"""The program, the site's own copy of the study's code for all that it imports, and what is only imported at first use:
by an optimiser's step, Flower's client and the node key."""
_LOG = getLogger("tessera.client")
_KILLED = "a task was killed (%s) before it had answered; if nobody did that, memory ran out: %s"
_OURS = ("client", "modalities", "server", "simulations", "strategies")


@dataclass(frozen=True)
class OwnCode:
    """What this process imported."""

    digest: str
    """Of the site's own copy of the study's code; empty where there is no source of it to compare with."""
    packages: Mapping[str, str]
    """The packages that were installed as it began: name -> version and digest."""


def serve(address: str, home: Home) -> None:
    """Fork once for every connection, whose bytes are the arguments of `flwr-clientapp`; until SIGTERM."""
    _import_all()
    own = OwnCode(_digest_of_own_code(), contents(installed()))
    gc.freeze()  # so that a child's collector does not copy the parent's pages
    signal.signal(signal.SIGCHLD, lambda number, frame: _take_leave(home))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        while True:
            connection, _ = listening.accept()
            with connection, connection.makefile("rb") as file:
                arguments = json.loads(file.read())
            if os.fork() == 0:
                listening.close()
                _work(arguments, home, own)


def _take_leave(home: Home) -> None:
    """Of the tasks that ended; the people of the site are told of one that was killed."""
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if os.WIFSIGNALED(ended[1]) and os.WTERMSIG(ended[1]) != signal.SIGTERM:
                with complaints_kept(home):
                    name = signal.Signals(os.WTERMSIG(ended[1])).name
                    _LOG.error(_KILLED, name, remedy_of(MemoryError()), extra=COMPLAINT)


def _import_all() -> None:
    """What a task needs of libraries; plug-ins and heads are found when they are asked for, and bring libraries too."""
    for name in LIBRARIES:
        importlib.import_module(name)
    from modalities.core.fusion.head import heads
    from modalities.core.registry import plugins
    from strategies.rule import rules

    plugins()
    heads()
    rules()


def _work(arguments: list[str], home: Home, own: OwnCode) -> None:
    """One task, and the end of the process."""
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        sys.argv = [PROGRAM, *arguments]
        run_task(partial(_approve, home, own))
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _approve(home: Home, own: OwnCode, bundle: bytes) -> None:
    """Refuse what the site did not approve; of what it did, the audit log is told the digest.

    What runs is the bundle's. Where that is the site's own copy, file by file, its modules are here already: importing
    them again would be most of a task's work. Any others are imported anew.
    """
    os.environ[CODE] = refuse_unapproved(home, bundle, own.packages)
    if os.environ[CODE] != own.digest:
        for name in [name for name in sys.modules if name.partition(".")[0] in _OURS]:
            del sys.modules[name]


def _digest_of_own_code() -> str:
    """Of the code that this process imported; empty where there is no source of it to compare with."""
    try:
        return digest_of_checkout()
    except ValueError:
        return ""


if __name__ == "__main__":
    die_with_parent()
    serve(sys.argv[1], Home(Path(sys.argv[2])))
