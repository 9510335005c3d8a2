"""How a study is run, as opposed to what it computes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.state import StudyState


def _say_nothing(event: Mapping[str, Any]) -> None:
    del event


@dataclass(frozen=True)
class Options:
    """Settings of one run of a study."""

    checkpoint: Path | None = None
    """Where progress is kept; None keeps none."""
    timeout: float = 600.0
    """Seconds that a site has for one message."""
    sites: int = 0
    """Wait for this many nodes; 0 takes those that are there once their number stands still."""
    wait: float = 120.0
    """Seconds to wait for the nodes."""
    report: Callable[[Mapping[str, Any]], None] = _say_nothing
    """Called with a small dict at every step, for whoever shows progress."""

    def step(self, study: StudyState, event: Mapping[str, Any]) -> None:
        """A step is done: keep it, then tell of it."""
        if self.checkpoint is not None:
            study.save(self.checkpoint)
        self.report(event)
