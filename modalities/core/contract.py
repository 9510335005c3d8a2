"""What a modality plug-in is: the module-level names that every file beside `core/` must define."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np

from modalities.core.fields import NotNegative, Whole, settings
from modalities.core.problems import Problem
from modalities.core.pseudonyms import Pseudonyms

if TYPE_CHECKING:  # torch takes seconds to import, and what only reads settings has no need of it
    import pandas as pd
    import torch
    from torch import nn

Sums = dict[str, np.ndarray]
"""Named float64 arrays that add up over sites: the whole of what a site says in the statistics phase."""

State = dict[str, np.ndarray]
"""What the summed statistics become; saved with the branch, so that a release can read raw files."""


@settings
class SlideSettings:
    """How a site's slides are read; section `slides` of site.yaml."""

    default_mpp: NotNegative = 0.0
    """Micrometres a pixel at full resolution, of slides that do not say it themselves; 0: such a slide is an error."""
    cache: str = ""
    """Folder for what is made of the slides, relative to site.yaml; empty: .tessera/slides beside it."""
    weights: str = ""
    """Folder of weights, `<backbone>.safetensors` (.bin, .pth), relative to site.yaml; looked in before any hub."""


@settings
class IndexDate:
    """Which of repeated measurements counts; section `sources.<modality>.index` of site.yaml."""

    date: str = ""
    """What days are counted from: `diagnosis`, where the format has one, or a column of dates; empty: not said."""
    measured: str = ""
    """In a table: the column with the date of the row's measurements."""
    take: Literal["nearest", "before", "after"] = "nearest"
    """The measurement nearest to the date, the last up to it, or the first from it on."""
    within_days: Whole = 0
    """None further from the date than this counts; 0 sets no limit."""


@dataclass(frozen=True)
class Source:
    """Where a site keeps one modality's raw files; a section `sources.<modality>` of site.yaml."""

    paths: tuple[Path, ...]
    """Files or folders; a modality merges several in their order of trust, as its reader says."""
    format: str = "auto"
    """Name of a format that the reader knows, or `auto` to tell it from the files."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """For plain CSV files: the reader's field name -> this site's column name."""
    concepts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """For records of coded entries (OMOP, FHIR): field name -> the codes that mean it here."""
    dates: Literal["", "day first", "month first"] = ""
    """How dates such as 03/04/1960 are meant, where a column leaves it open."""
    index: IndexDate = field(default_factory=IndexDate)
    """Which of repeated measurements counts."""
    slides: SlideSettings = field(default_factory=SlideSettings)
    """For slides; its folders are absolute here, and an empty `cache` is .tessera/slides beside the first path."""
    case_ids: tuple[str, ...] = ()
    """More columns of case ids, beside the one in `columns`: each table has one of them."""
    sheet: str = ""
    """Of an Excel workbook, the sheet to read; empty: the first one."""
    assembly: str = ""
    """For copy number: the genome assembly, `hg19` or `hg38`, of files that do not say it."""
    units: str = ""
    """For copy number: `log2`, `ratio`, `copies` or `calls`, of files that do not say it."""
    pseudonyms: Pseudonyms | None = None
    """What the files' own case ids are replaced by once they are read; None: by nothing."""

    def called(self, case_id: str) -> str:
        """The id under which the site goes on with a case of the files."""
        return self.pseudonyms.of(case_id) if self.pseudonyms else case_id

    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Of the clinical record: the reader's field name -> a word of this site's files -> the reader's word for it."""


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
class Cases:
    """One modality of one site, read but not yet scaled."""

    case_ids: tuple[str, ...]
    """The cases that hold the modality, in the order of `values`."""
    values: Any
    """One entry a case: float32 [case, feature] with NaN for missing, or a list of what the plug-in likes."""
    features: tuple[str, ...] = ()
    """Column names of tabular `values`."""
    notes: Mapping[str, int] = field(default_factory=dict)
    """What the reader imputed, skipped or resolved, counted: nothing is dropped silently."""

    def select(self, case_ids: Sequence[str]) -> "Cases":
        """The given cases, in the given order; every one must be held."""
        position = {case_id: row for row, case_id in enumerate(self.case_ids)}
        rows = [position[case_id] for case_id in case_ids]
        values = self.values[rows] if isinstance(self.values, np.ndarray) else [self.values[row] for row in rows]
        return Cases(tuple(case_ids), values, self.features, self.notes)

    def with_a_known_value(self) -> "Cases":
        """Without those of whom no value is known: they do not hold the modality."""
        if not isinstance(self.values, np.ndarray) or not self.features:
            return self
        known = np.flatnonzero(np.isfinite(self.values).any(axis=1))
        kept = self.select([self.case_ids[row] for row in known])
        return replace(kept, notes={**self.notes, "cases without one known value": len(self.case_ids) - len(known)})

    @staticmethod
    def join(parts: Sequence["Cases"]) -> "Cases":
        """The cases of several reads under the same settings, one after the other."""
        held = [part for part in parts if part.case_ids]
        if not held:
            return parts[0] if parts else Cases((), [])
        case_ids = tuple(case_id for part in held for case_id in part.case_ids)
        if isinstance(held[0].values, np.ndarray):
            return Cases(case_ids, np.concatenate([part.values for part in held]), held[0].features)
        return Cases(case_ids, [value for part in held for value in part.values], held[0].features)


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
class Modality(Protocol):
    """The contract. `Config` derives from `core.settings.training.BranchConfig`, with `@settings` of `core.fields`."""

    Config: type
    PRESETS: Mapping[str, Mapping[str, Any]]
    """Named groups of settings, such as `paper`; chosen with `preset:` in federation.yaml."""

    def read(self, source: Source, config: Any) -> Cases:
        """The site's raw files as cases.

        With `config.features` the columns come in that agreed order and an absent one is NaN, counted in the notes;
        without, the columns are those of the files.

        Raises:
            ValueError: every problem of the files at once, each naming file, place and remedy.
        """
        ...

    def sums(self, cases: Cases, config: Any) -> Sums:
        """This site's part of the federated statistics; adding the sums of two sites gives those of both.

        Of no case: zeros, which tell the names and lengths that the settings agree on. The coordinator holds what sites
        send against them; a length that only the data know is 0.
        """
        ...

    def finalise(self, total: Sums, config: Any) -> State:
        """The state that all sites share, from the summed statistics."""
        ...

    def prepare(self, cases: Cases, state: State, config: Any) -> Any:
        """Everything of `collate` that needs doing only once; has one entry a case."""
        ...

    def collate(self, prepared: Any, rows: "torch.Tensor") -> Any:
        """The batch of these rows, as the encoder wants it."""
        ...

    def build_encoder(self, config: Any, state: State) -> "nn.Module":
        """A fresh encoder: batch -> [case, embedding_size], with `embedding_size` as an attribute.

        It may bring `pool` and `loss` of its own: see `modalities.core.blocks.branch.Branch`.
        """
        ...

    def write_example(
        self, folder: Path, case_ids: Sequence[str], classes: Sequence[int], rng: np.random.Generator
    ) -> Source:
        """Small made-up raw files of these cases in the real file format, carrying a learnable class signal.

        Plug-ins that read the same files name the same folder, as an attribute `EXAMPLE_FOLDER`: they get it in turn,
        for the same cases, and a later one leaves what stands there.
        """
        ...


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
        """Of all cases that `read` gave, listed or not; `cases` is empty where `read` failed."""
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
