"""When and by which command line results were made, for the report and for whoever must make them again."""

import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path

from simulations.scores.results import Made

PROGRAM = "tessera-simulate"


def made_now() -> Made:
    """The time, and the command line where this is one; a notebook or a test has none."""
    made = Made(date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"))
    if Path(sys.argv[0]).stem == PROGRAM:
        made["command"] = shlex.join([PROGRAM, *sys.argv[1:]])
    return made
