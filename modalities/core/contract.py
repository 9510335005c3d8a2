"""What a modality plug-in is: the module-level names that every file beside `core/` must define."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import numpy as np

from modalities.core.fields import AUTO, NotNegative, Whole, settings
from modalities.core.pseudonyms import Pseudonyms

if TYPE_CHECKING:  # torch takes seconds to import, and what only reads settings has no need of it
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
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Of the clinical record: the reader's field name -> a word of this site's files -> the reader's word for it."""
    pseudonyms: Pseudonyms | None = None
    """What the files' own case ids are replaced by once they are read; None: by nothing."""
    device: str = AUTO
    """Where a network that slides are prepared with computes: `resources.device` of site.yaml."""

    def called(self, case_id: str) -> str:
        """The id under which the site goes on with a case of the files."""
        return self.pseudonyms.of(case_id) if self.pseudonyms else case_id


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
