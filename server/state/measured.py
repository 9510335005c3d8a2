"""metrics.jsonl: what every round came to, a line of JSON each, beside the checkpoint.

A line is written after the checkpoint of its step, which holds it too: a server that is killed in between writes it
when it goes on, so that the file has neither a gap nor a repeat.
"""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict

from modalities.core.files.journal import add_after

METRICS = "metrics.jsonl"


class Measurement(TypedDict):
    """A line; None where a phase has no such number."""

    phase: str
    round: int | None
    """Of the modality, or of all fits of the fusion head together, from 1; at the closing evaluation, the last one."""
    modality: str | None
    held_out_loss: float | None
    """A case, of the weights that the round began with: they are scored where they arrive."""
    training_loss: float | None
    """A case, of the modality's branch in its last local epoch, over the sites."""
    loss_sum: float | None
    """Of the fusion head, summed over the cases and weighted by class: what its fit lowers."""
    sites: int | None
    """Whose answers counted: how many."""
    missing: list[str]
    """The sites that the study knows to hold this, and whose answers are not in it."""
    cases: int | None
    """That these sites learned from; None under an epsilon, which hides their number."""
    bytes_up: int
    """From the sites to the server."""
    bytes_down: int
    seconds: float
    """That the round took, without any waiting for sites to come back."""
    time: str
    """When it was done, UTC."""


@dataclass
class Measured:
    """The lines of the step under way, and how many stand before them in the file."""

    n_before: int = 0
    lines: list[dict[str, Any]] = field(default_factory=list)

    def write(self, path: Path) -> list[str]:
        """Bring the file up to the checkpoint that holds these lines; what was not as it should be, in words.

        Raises:
            OSError: the disk is full, or fails.
        """
        if not self.lines and not path.is_file():
            return []
        stood = add_after(path, self.n_before, self.lines)
        lost, unknown = self.n_before - stood, stood - self.n_before - len(self.lines)
        self.n_before, self.lines = min(self.n_before, stood) + len(self.lines), []
        return [f"{path.name}: {lost} lines that were written are gone"] * (lost > 0) + [
            f"{path.name}: {unknown} lines of rounds that the checkpoint does not know are taken out"
        ] * (unknown > 0)


def now() -> str:
    """The time as a line says it: 2026-11-28T18:00:51.250Z."""
    return datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
