"""What became of each slide: a table beside the cache, for the data manager, replaced in one step."""

import csv
import io
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from modalities.slides.reading.files import write_whole

DONE, EXCLUDED, FAILED = "done", "excluded", "failed"


@dataclass(frozen=True)
class SlideState:
    """One slide under one recipe."""

    slide: str
    case_id: str
    state: str
    """`done`, `excluded` (read, but of no use) or `failed` (it could not be read)."""
    reason: str = ""
    """Why it is not done."""
    n_tiles: int = 0
    seconds: float = 0.0
    recipe: str = ""
    """Digest of the recipe, the name of the folder that the features lie in."""
    file: str = ""
    """The feature file's name in that folder."""
    cause: str = ""
    """Of an excluded slide: the part of the reason that such slides share, by which they are counted."""


def write_states(path: Path, states: Iterable[SlideState]) -> None:
    """The whole table, by slide.

    Raises:
        CannotWriteError: the disk is full, or the folder cannot be written.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(SlideState)], lineterminator="\n")
    writer.writeheader()
    writer.writerows({**asdict(state), "seconds": f"{state.seconds:.2f}"} for state in sorted(states, key=_order))
    write_whole(path, text.getvalue().encode())


def read_states(path: Path) -> list[SlideState]:
    """The table; empty where there is none yet, or none with these columns: it is made again with the slides."""
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
        held = [{field.name: row[field.name] for field in fields(SlideState)} for row in rows]
        return [SlideState(**{**row, "n_tiles": int(row["n_tiles"]), "seconds": float(row["seconds"])}) for row in held]
    except (OSError, ValueError, TypeError, KeyError):
        return []


def _order(state: SlideState) -> tuple[str, str, str]:
    return state.recipe, state.slide, state.file
