"""What is predicted: configuration, so that another cancer, or another label, is another file."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import field
from functools import cached_property
from typing import Annotated

from pydantic import AfterValidator, Field

from modalities.core.fields import settings
from modalities.core.files.tables.delimited import listing
from modalities.core.logs import plain
from modalities.core.problems import Problem, check

_LONGEST = 100


def _shown(text: str) -> str:
    """A name that stands in every report, on terminals and in other people's tables."""
    if text != plain(text) or not 0 < len(text) <= _LONGEST:
        raise ValueError(f"must be 1 to {_LONGEST} characters without line breaks or control characters, got {text!r}")
    return text


Name = Annotated[str, AfterValidator(_shown)]
Classes = Annotated[list[Name], Field(min_length=2, max_length=1000)]


@settings
class Task:
    """Section `task` of federation.yaml."""

    name: Name = "pam50"
    """Shown in reports."""
    classes: Classes = field(default_factory=lambda: ["LumA", "LumB", "Basal", "Her2"])
    """The class list, in the order of the outputs."""
    names: dict[str, str] = field(default_factory=dict)
    """Class -> its name in full, for pages that clinicians read."""
    label: Name = "label"
    """The column of cases.csv that holds the class; in a data folder, docs/tasks.md says where it is looked for."""
    values: dict[str, list[str]] = field(default_factory=dict)
    """Class -> what the label column says for it, letter by letter; the class's own name always counts too."""
    drop: list[str] = field(default_factory=lambda: ["Normal"])
    """Labels whose cases are left out and counted; a blank label is always left out."""
    leaks: list[str] = field(default_factory=list)
    """Columns and clinical fields that state the label: a modality that has one as an input is refused."""

    def __post_init__(self) -> None:
        """Check the class list and what is written for each class."""
        unknown = [name for name in self.values if name not in self.classes]
        unnamed = [name for name in self.names if name not in self.classes]
        written = [*self.classes, *(text for name, own in self.values.items() for text in own if text != name)]
        repeated = [text for text, count in Counter([*written, *set(self.drop)]).items() if count > 1]
        check(
            [f"classes must differ, got {list(self.classes)}"] * (len(set(self.classes)) < len(self.classes))
            + [f"values: {listing(unknown)}: no such class; there are {', '.join(self.classes)}"] * bool(unknown)
            + [f"names: {listing(unnamed)}: no such class; there are {', '.join(self.classes)}"] * bool(unnamed)
            + [f"values and drop: {listing(repeated)} must belong to one class, or be dropped"] * bool(repeated)
        )

    @cached_property
    def class_by_label(self) -> dict[str, str]:
        """The class of every label that is known."""
        mapped = {text: name for name, texts in self.values.items() for text in texts}
        return {**mapped, **{name: name for name in self.classes}}

    def problem_of(self, labels: Iterable[str], first: str = "") -> Problem | None:
        """What is wrong with labels that are neither of a class nor dropped, each with its number of cases.

        `first`: what to do before anything else.
        """
        known = {"", *self.drop, *self.class_by_label}
        unknown = Counter(label for label in labels if label not in known)
        if not unknown:
            return None
        found = listing([f"{label} ({count})" for label, count in sorted(unknown.items())])
        return Problem(
            f"labels outside the class list: {found}",
            f"the task knows {', '.join(self.class_by_label)} and drops {', '.join(self.drop) or 'none'}: "
            f"{first}correct them, or add them to task.values or task.drop of federation.yaml",
            where=f"column {self.label}",
        )

    def leaks_among(self, features: Iterable[str]) -> list[str]:
        """The features that state the label: the label's own column, and `leaks`; `er` covers `er=positive` too."""
        stated = {self.label, *self.leaks}
        return [name for name in features if stated & {name, name.partition("=")[0]}]
