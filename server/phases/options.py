"""How a study is run, as opposed to what it computes."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from errno import EMFILE, ENFILE
from pathlib import Path
from typing import Any

from modalities.core.problems import remedy_of
from server.state.measured import METRICS
from server.state.notes import WARNING, Note
from server.state.status import write_status
from server.state.study import StudyState
from strategies.masking.roster import Roster


def _say_nothing(event: Mapping[str, Any]) -> None:
    del event


@contextmanager
def _on_disk(folder: Path) -> Iterator[None]:
    """What a disk that is full or fails means for the study."""
    try:
        yield
    except OSError as error:
        remedy = "make room on it, or see to its rights"
        if error.errno in (EMFILE, ENFILE):
            remedy = remedy_of(error)
        raise RuntimeError(
            f"{folder}: this disk does not take the study's progress ({error.strerror or error}): {remedy}, then "
            "resume; every step that was finished before is kept"
        ) from error


@dataclass(frozen=True)
class Options:
    """Settings of one run of a study."""

    checkpoint: Path | None = None
    """Where progress is kept; None keeps none."""
    timeout: float = 600.0
    """Seconds that a site has for one message."""
    sites: int = 0
    """Wait for this many nodes; 0 takes those that are there once no more come."""
    wait: float = 120.0
    """Seconds to wait for the nodes."""
    evaluates: bool = True
    """Whether the study ends with an evaluation."""
    trains_alone: bool = True
    """Whether sites train models of their own for it, where the settings want that; a comparison has them already."""
    report: Callable[[Mapping[str, Any]], None] = _say_nothing
    """Called with a small dict at every step, for whoever shows progress."""
    status: Path | None = None
    """Folder for status.json, which other processes look into; None writes none."""
    enrolled: Mapping[int, str] = field(default_factory=dict)
    """Node id -> the site that it belongs to; empty where nobody enrols, as in a simulation."""
    rosters: Sequence[Roster] = ()
    """Whose keys count for masked sums: the newest that enough sites approved, first; none in a simulation."""

    notes: Callable[[], Iterable[Note]] = tuple
    """What parts that know no study have to note; asked for at every step, and gives each note once."""

    def step(self, study: StudyState, event: Mapping[str, Any]) -> None:
        """A step is done: keep it, add its lines to metrics.jsonl, then tell of it.

        Raises:
            RuntimeError: the disk does not take it, as for `catch_up` and `tell`.
        """
        study.notes += self.notes()
        if self.checkpoint is not None:
            with _on_disk(self.checkpoint.parent):
                study.save(self.checkpoint)
            self.catch_up(study)
        self.tell(study, event)

    def catch_up(self, study: StudyState) -> None:
        """Write the lines of metrics.jsonl that the checkpoint holds."""
        if self.checkpoint is not None:
            with _on_disk(self.checkpoint.parent):
                complaints = study.measured.write(self.checkpoint.with_name(METRICS))
            study.notes += [Note(WARNING, "*", "*", text) for text in complaints]

    def tell(self, study: StudyState, event: Mapping[str, Any]) -> None:
        """Something happened that the checkpoint need not know."""
        study.notes += self.notes()
        if self.status is not None:
            with _on_disk(self.status):
                write_status(self.status, study, event)
        self.report(event)
