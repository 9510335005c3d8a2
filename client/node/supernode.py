"""Flower's SuperNode, which looks for work more often while there is some.

Flower's own waits 3 s between two looks and .5 s for a reply: most of a short round. Here both are short, until nothing
has come for a while; then a site that waits for months asks as seldom as Flower's own. And it looks often for pieces of
a message that are still on their way.

Run as a program: python -m client.node.supernode ARGUMENTS OF flower-supernode
"""

import time
from types import SimpleNamespace
from typing import Any

from client.node.fork_server import die_with_parent
from strategies.flower.polling import looking_often

_QUICK_S, _BUSY_S, _IDLE_LOOK_S = 0.2, 120.0, 3.0


class QuickSleep:
    """Stands in for `time` in Flower's loop, which sleeps 3 s only where no message was there."""

    def __init__(self) -> None:
        """Busy at first: a study may be waiting for this site."""
        self._last_work = time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Sleep as long as is sensible now."""
        if seconds < _IDLE_LOOK_S:
            self._last_work = time.monotonic()
        is_busy = time.monotonic() - self._last_work < _BUSY_S
        time.sleep(min(seconds, _QUICK_S) if is_busy else seconds)


def main() -> None:
    """Flower's program with these two changes."""
    from flwr.supernode import start_client_internal
    from flwr.supernode.cli import flower_supernode

    loop: Any = start_client_internal
    loop.time = SimpleNamespace(sleep=QuickSleep().sleep)
    loop.pull_objects = looking_often(loop.pull_objects)
    flower_supernode()


if __name__ == "__main__":
    die_with_parent()
    main()
