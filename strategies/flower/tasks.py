"""The program that a SuperNode starts for a message, as a site needs it: approved code only, and no exception's text.

Flower has no hook for either. `run_clientapp` installs the bundle under the name `install_from_fab` and reports what
fails before the ClientApp runs as an `Error` with the exception's text; both names are put in its own module's place.
It fetches the message's pieces under the name `pull_and_inflate_object_from_tree`: see `pace.polling`. The names of the
programs that a SuperNode looks for are a table of Flower's.
"""

import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flwr.supercore.constant import TASK_TYPE_TO_COMMAND, TaskType

from strategies.flower.pace.polling import looking_often

PROGRAM = TASK_TYPE_TO_COMMAND[TaskType.CLIENT_APP]
OTHER_PROGRAMS = sorted(set(TASK_TYPE_TO_COMMAND.values()) - {PROGRAM})
"""Of agents, models and connectors."""
MODULE = "flwr.supernode.cli.flwr_clientapp"
"""Of the program; importing it takes the second that a forked task need not."""
NOT_APPROVED, FAILED = "bundle not approved", "see the site's log"
"""All that a server hears of a task that failed before the study's code ran."""


class NotApprovedError(Exception):
    """The code that came is not what this site approved."""


Approve = Callable[[bytes], None]
"""Given a packed bundle; raises NotApprovedError unless the site runs it."""


def run_task(approve: Approve) -> None:
    """Run Flower's program, with the arguments of this process."""
    from flwr.supernode.cli import flwr_clientapp
    from flwr.supernode.runtime import run_clientapp

    flower: Any = run_clientapp  # its own names of what it imported
    flower.install_from_fab, flower.Error = guarded(approve, flower.install_from_fab, flower.Error)
    flower.pull_and_inflate_object_from_tree = looking_often(flower.pull_and_inflate_object_from_tree)
    flwr_clientapp()


def guarded(approve: Approve, install: Callable[..., Any], error: Callable[..., Any]) -> tuple[Callable, Callable]:
    """Flower's two functions: one takes approved bundles only, the other's reason is never an exception's text."""
    reasons = [FAILED]

    def install_approved(bundle: bytes, **options: Any) -> Path:
        try:
            approve(bundle)
        except NotApprovedError:
            reasons.append(NOT_APPROVED)
            raise
        return installed(install, bundle, **options)

    def error_without_text(code: int, reason: str) -> Any:
        del reason
        return error(code=code, reason=reasons[-1])

    return install_approved, error_without_text


def installed(install: Callable[..., Path], bundle: bytes, **options: Any) -> Path:
    """Where Flower looks for the bundle, unpacked once and whole.

    Flower's own function unpacks it at every message, a quarter of a task's work, and finds it there; and if it is
    killed over the first, half a bundle is there for good.
    """
    from flwr.cli.config_utils import get_fab_metadata
    from flwr.common.config import get_project_dir

    folder = get_project_dir(*get_fab_metadata(bundle), hashlib.sha256(bundle).hexdigest())
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as beside:
            whole = install(bundle, install_dir=Path(beside), **options)
            try:
                whole.rename(folder)
            except OSError:  # another task was first
                if not folder.is_dir():
                    raise
    return folder
