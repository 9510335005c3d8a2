"""What Flower finds when it looks for the program of a task: ours for a ClientApp, and a refusal for anything else.

A SuperNode would also start agents, models and connectors if the coordinator's run asked for one. Those are programs
that fetch and run code by themselves, past the approval, so at a site they only say that they are refused.
"""

import shlex
import sys
from pathlib import Path

from client.node.home import Home
from strategies.flower.tasks import OTHER_PROGRAMS, PROGRAM

_HAND_OVER = """\
#!/bin/sh
exec {python} -IS -c 'import json, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect(sys.argv[1])
    server.sendall(json.dumps(sys.argv[2:]).encode())' {socket} "$@"
"""
_REFUSE = """\
#!/bin/sh
echo "tessera: {name} refused: this site runs the approved ClientApp and nothing else" >&2
exit 1
"""


def write_programs(home: Home, socket: str) -> Path:
    """The folder of these programs, which goes first in the SuperNode's PATH."""
    home.programs.mkdir(parents=True, exist_ok=True)
    hand_over = _HAND_OVER.format(python=shlex.quote(sys.executable), socket=shlex.quote(socket))
    for name, text in {PROGRAM: hand_over, **{name: _REFUSE.format(name=name) for name in OTHER_PROGRAMS}}.items():
        path = home.programs / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o700)
    return home.programs
