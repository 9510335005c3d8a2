"""What a modality plug-in may add to the contract, and what it tells by that."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np

from modalities.core.contract import Cases, Source, State
from modalities.core.problems import Problem

if TYPE_CHECKING:  # reading settings need not wait for it
    import pandas as pd


class Proposal(NamedTuple):
    """What a word of a site's files may mean, for a person to judge."""

    means: str
    """As it would be written in site.yaml."""
    sureness: float
    """From 0 to 1: 1 where the whole word is known, and nothing in it contradicts the rest."""


COLUMNS, VALUES = "columns", "values"
"""The sections of a source in site.yaml in which a site's own words stand."""


@dataclass(frozen=True)
class UnknownWord:
    """A column or a value of a site's files that nothing is known of."""

    section: Literal["columns", "values"]
    field: str
    """The field that a value stands in; of a column empty, since what is asked is the field."""
    written: str
    count: int
    """In how many rows."""
    permitted: str
    """What it may mean, for messages."""
    proposal: Proposal | None = None


@dataclass(frozen=True)
class Quantity:
    """A number of each case, which people look at beside what is plausible of it."""

    name: str
    unit: str
    values: np.ndarray
    """One a case, NaN where it is not known."""
    low: float = -np.inf
    high: float = np.inf
    """Between which it is plausible."""


@dataclass(frozen=True)
class RawFile:
    """One of many raw files, as slides are, and what became of it."""

    name: str
    case_id: str
    state: str
    """In a word or two: used, left out, not readable."""
    reason: str = ""
    picture: Path | None = None
    """A small one, as JPEG or PNG."""


@dataclass(frozen=True)
class Plausibility:
    """What a site's own people should know of values that can be read."""

    problems: Sequence[Problem] = ()
    """What can hardly be true, in how many cases, and what it would mean."""
    quantities: Sequence[Quantity] = ()
    traits: Sequence[Sequence[Hashable | None]] = ()
    """A row a case: what tells it from others, each trait by itself; None where it is not known."""
    files: Sequence[RawFile] = ()


@runtime_checkable
class PublicScale(Protocol):
    """What a plug-in may add: without it, the modality takes no part in a study that keeps an epsilon."""

    def public_state(self, config: Any) -> State:
        """What `finalise` gives, from the settings and public constants alone: no case is looked at.

        Raises:
            ValueError: the settings leave open what only cases could tell.
        """
        ...


@runtime_checkable
class Checks(Protocol):
    """What a plug-in may add: `tessera-client check` asks it after `read`."""

    def unreadable(self, source: Source, config: Any) -> Sequence[Problem]:
        """What is wrong with files that `read` goes on without."""
        ...


@runtime_checkable
class Plausible(Protocol):
    """What a plug-in may add: `tessera-client check` asks whether what was read can be true."""

    def plausibility(self, source: Source, cases: Cases, config: Any) -> Plausibility:
        """Of the cases that cases.csv lists, or all where it cannot be read; `cases` is empty where `read` failed."""
        ...


MAPPED = "mapped"
"""Format of a table that a plug-in reads once site.yaml says what its columns are."""


@runtime_checkable
class Recognises(Protocol):
    """What a plug-in may add: `tessera-client init --from` asks it which of a hospital's exports it reads."""

    def recognised(self, path: Path) -> str:
        """The format of a file that can be read as it stands, or MAPPED; empty for any other.

        Raises:
            ValueError: the file is damaged.
        """
        ...


@runtime_checkable
class Words(Protocol):
    """What a plug-in may add whose files hold words: it reads `values` of the source, and `tessera-client map` asks it.

    Of one that lacks it, `values` in site.yaml are an error.
    """

    def unknown_words(self, source: Source, problems: list[Problem]) -> Sequence[UnknownWord]:
        """Columns that are not mapped and may be, and values of the mapped ones that nobody knows.

        Why a file could not be looked through is added to the problems.
        """
        ...

    def may_mean(self, section: str, field: str, written: str, means: str) -> str:
        """What is wrong with mapping a word so; empty if nothing is."""
        ...


@runtime_checkable
class Pretrained(Protocol):
    """A plug-in whose inputs come from a network that was trained elsewhere may say on what."""

    def pretrained(self, config: Any) -> str:
        """The network, and what its weights were trained on, in words."""
        ...


@runtime_checkable
class FromFrame(Protocol):
    """What a plug-in may add, where the columns of a data frame are not its features but what its files have."""

    def of_frame(self, frame: "pd.DataFrame", config: Any) -> Cases:
        """A row a case, by its index, as `read` gives the cases of files.

        Raises:
            ValueError: every problem of the frame at once.
        """
        ...
