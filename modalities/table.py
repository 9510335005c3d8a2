"""Any table of numbers with a row a case: CSV, TSV, gzipped or not, Excel or Parquet."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
from pydantic import AfterValidator, StrictBool, StrictFloat
from torch import Tensor

from modalities.core.blocks import tabular
from modalities.core.blocks.tabular import TabularConfig, build_encoder, collate, finalise, in_agreed_order
from modalities.core.contract import Cases, Source, State, Sums
from modalities.core.fields import settings
from modalities.core.files.barcodes import case_of
from modalities.core.files.leakage import refuse
from modalities.core.files.packed import refuse_bomb
from modalities.core.files.tables.delimited import listing, numbers, refuse_any, refuse_repeated, rows_of
from modalities.core.hooks import Plausibility, Quantity
from modalities.core.plausible.rules import Rule, judged
from modalities.core.plausible.scales import constant_columns, scale_problems
from modalities.core.problems import Problem, ProblemsError, check, gathering, unusable
from modalities.core.settings.private import PRIVATE_TRAINING

__all__ = [
    "PRESETS",
    "Config",
    "build_encoder",
    "collate",
    "finalise",
    "plausibility",
    "prepare",
    "public_state",
    "read",
    "sums",
    "write_example",
]

ENDINGS = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz", ".xlsx", ".parquet")
_ID_COLUMNS = ("case_id", "patient", "patient_id", "case", "sample", "sample_id", "barcode", "id")
_EXAMPLE_FEATURES = 12
PRESETS: Mapping[str, Mapping[str, Any]] = {"private": PRIVATE_TRAINING}
_LEAST_BYTES = 4
"""That a value takes in memory."""
_LEAST_RATIO = 1e-6
"""What is less counts as this in a logarithm: a ratio of 0 is far out, and cut with the rest."""


def _in_order(ranges: dict[str, list[float]]) -> dict[str, list[float]]:
    wrong = [f"{name}: {pair}" for name, pair in ranges.items() if len(pair) != 2 or pair[0] >= pair[1]]
    if wrong:
        raise ValueError(f"a range is [low, high] with low below high, got {listing(wrong)}")
    return ranges


@settings
class Config(TabularConfig):
    """A section of federation.yaml with `kind: table`; the default is linear with strong decay."""

    allow: list[str] = field(default_factory=list)
    """Groups of the leakage guard that are no leak here, such as `copy_number` for a table of copy-number summaries."""
    logarithms: StrictBool = False
    """Take the natural logarithm of every value: for ratios and other numbers from 0 on that are far from even."""
    ranges: Annotated[dict[str, list[StrictFloat]], AfterValidator(_in_order)] = field(default_factory=dict)
    """Feature, or pattern such as `ratio_*` or `*`, -> [low, high]: where most values lie by what is publicly known of
    it, in logarithms where those are taken; the first that fits. Scales the inputs under `privacy.epsilon`, and is not
    used otherwise."""


def sums(cases: Cases, config: Config) -> Sums:
    """The statistics of the values, or of their logarithms."""
    return tabular.sums(_coded(cases, config), config)


def range_of(feature: str, ranges: Mapping[str, Sequence[float]]) -> Sequence[float] | None:
    """The first range whose name or pattern fits; None where none does."""
    return next((pair for name, pair in ranges.items() if fnmatchcase(feature, name)), None)


def public_state(config: Config) -> State:
    """The middle of each feature's range, and a quarter of it.

    Raises:
        ValueError: the settings do not name the features, or leave one without a range.
    """
    if not config.features:
        raise unusable("the columns must be agreed on, not found in the data", "name a features_file")
    found = {name: range_of(name, config.ranges) for name in config.features}
    if lacking := [name for name, pair in found.items() if pair is None]:
        remedy = 'say where its values lie, or `"*": [low, high]` for all'
        raise unusable(f"`ranges` has none of {listing(lacking)}", remedy)
    pairs = np.array(list(found.values()))
    return tabular.public_scale(pairs.mean(axis=1), (pairs[:, 1] - pairs[:, 0]) / 4)


def prepare(cases: Cases, state: State, config: Config) -> Tensor:
    """The values, or their logarithms, scaled."""
    return tabular.prepare(_coded(cases, config), state, config)


def _coded(cases: Cases, config: Config) -> Cases:
    if not config.logarithms:
        return cases
    values = np.log(np.maximum(np.asarray(cases.values, dtype=np.float64), _LEAST_RATIO))  # NaN stays NaN
    return replace(cases, values=values.astype(np.float32))


def read(source: Source, config: Config) -> Cases:
    """The table as cases; the id column is `source.columns[case_id]`, or the first with a usual name.

    Any other entry of `source.columns` gives a column of this site's file the name that the sites agreed on.
    """
    if source.format != "auto":
        raise unusable(f"a table's format follows from its file's ending: leave out format, got {source.format!r}")
    if len(source.paths) != 1:
        raise unusable(f"a table takes one file, got {len(source.paths)}", "name one in site.yaml")
    path = source.paths[0]
    header, body = _cells(path, source.sheet)
    id_column = _id_column(path, header, source.columns)
    samples = [case_of(str(row[id_column])) for row in body]
    kept = [number for number, case_id in enumerate(samples) if case_id is not None]
    case_ids = tuple(case_id for case_id in samples if case_id is not None)
    if not case_ids:
        raise unusable("no case in the table", "export it again", file=path.name)
    names = _agreed_names(path, header[:id_column] + header[id_column + 1 :], source.columns)
    rows = [row[:id_column] + row[id_column + 1 :] for row in body]
    wanted = [name for name in names if not config.features or name in config.features]
    values = _together(
        lambda: _refuse_unnamed(path, samples),
        lambda: refuse_repeated(path, filter(None, case_ids), "cases", "keep one row a case"),
        lambda: _refuse_leaks(path, wanted, config),
        lambda: _refuse_negative(path, numbers(path, rows, names, first_line=2), names, wanted, config),
    )[-1]
    notes = {"samples that are no primary tumour": len(samples) - len(case_ids)}
    return in_agreed_order(Cases(case_ids, values[kept], tuple(names), notes), config.features, "columns imputed")


def plausibility(source: Source, cases: Cases, config: Config) -> Plausibility:
    """Units that change within the table, and the columns whose range the settings say."""
    if not cases.case_ids:
        return Plausibility()
    values, names = np.asarray(cases.values, dtype=np.float64), cases.features
    problems = [*scale_problems(values, cases.case_ids, names), *constant_columns(values, names)]
    coded = np.asarray(_coded(cases, config).values, dtype=np.float64)
    ranges = {name: range_of(name, config.ranges) for name in names}
    unit = "natural logarithm" if config.logarithms else ""
    quantities = [
        Quantity(name, unit, column, *pair)
        for (name, pair), column in zip(ranges.items(), coded.T, strict=True)
        if pair is not None
    ]
    return Plausibility([*problems, *_out_of_range(quantities, cases.case_ids)], quantities)


def _out_of_range(quantities: Sequence[Quantity], case_ids: Sequence[str]) -> list[Problem]:
    """Columns most of whose values lie where the settings say that most do not."""
    rules = [
        Rule(
            (quantity.name,),
            lambda cases, quantity=quantity: ~cases[quantity.name].between(quantity.low, quantity.high),
            f"{quantity.name} is outside {quantity.low:g} to {quantity.high:g}, the study's own range,",
            "another unit, or another column",
            "compare the column's unit with what the study agreed on",
            usual=0.3,
        )
        for quantity in quantities
    ]
    return judged(rules, pd.DataFrame({one.name: one.values for one in quantities}, index=pd.Index(case_ids)))


def _together(*steps: Callable[[], Any]) -> list[Any]:
    """What each step gives, or one error with the problems of all."""
    found, problems = [], []
    for step in steps:
        with gathering(problems):
            found.append(step())
    check(problems)
    return found


def _refuse_negative(
    path: Path, values: np.ndarray, names: Sequence[str], wanted: Sequence[str], config: Config
) -> np.ndarray:
    """The values, which have logarithms where the settings take them."""
    negative = [name for name, low in zip(names, np.nanmin(values, axis=0, initial=0.0), strict=True) if low < 0]
    if config.logarithms and (wrong := [name for name in negative if name in wanted]):
        what = f"{listing(wrong)} has values below 0, and `logarithms` is set"
        raise unusable(what, "leave the column out of the agreed features, or `logarithms` off", file=path.name)
    return values


def _refuse_unnamed(path: Path, samples: Sequence[str | None]) -> None:
    unnamed = [f"line {line}" for line, sample in enumerate(samples, start=2) if sample == ""]
    refuse_any(path, unnamed, "no case id in {}", "fill it in or take the row out", are_places=True)


def _agreed_names(path: Path, names: Sequence[str], columns: Mapping[str, str]) -> list[str]:
    """The columns' names after the renaming that site.yaml asks for."""
    agreed = {own: name for name, own in columns.items() if name != "case_id"}
    absent = [own for own in agreed if own not in names]
    refuse_any(path, absent, "no column {}, which site.yaml names", f"it has {listing(names)}")
    renamed = [agreed.get(name, name) for name in names]
    refuse_repeated(path, renamed, "columns", "correct sources.<modality>.columns in site.yaml")
    return renamed


def _refuse_leaks(path: Path, names: Sequence[str], config: Config) -> None:
    leaks = [f"{name!r}: {reason}" for name, reason in refuse(dict.fromkeys(names), allowed=config.allow).items()]
    where = "`allow` in the modality's section of federation.yaml"
    remedy = f"take them out of the table, or list their group under {where}"
    refuse_any(path, leaks, f"{len(leaks)} columns must not be inputs ({{}})", remedy)


def _cells(path: Path, sheet: str) -> tuple[list[str], list[list[Any]]]:
    if not path.name.lower().endswith(ENDINGS):
        raise unusable(f"a table must end in one of {', '.join(ENDINGS)}", "save it as one of them", file=path.name)
    if path.suffix == ".parquet":
        try:
            held = pyarrow.parquet.read_metadata(path)
            refuse_bomb(path, _LEAST_BYTES * held.num_rows * held.num_columns, path.stat().st_size)
            frame = pd.read_parquet(path)
            frame = frame.reset_index() if frame.index.name else frame
            cells = frame.astype(object).where(frame.notna(), "").values.tolist()  # decodes texts, damaged ones too
        except ProblemsError:
            raise
        except (OSError, ValueError, pyarrow.ArrowException) as error:
            raise unusable("no readable Parquet file", "export it again", file=path.name) from error
        return [str(name) for name in frame.columns], cells
    header, *body = rows_of(path, sheet=sheet)
    return header, body


def _id_column(path: Path, header: Sequence[str], columns: Mapping[str, str]) -> int:
    wanted = columns.get("case_id")
    if wanted is not None and wanted not in header:
        what = f"no column {wanted!r}, which site.yaml names as case_id"
        raise unusable(what, f"it has {listing(header)}", file=path.name)
    if wanted:
        return header.index(wanted)
    lowered = [name.strip().lower() for name in header]
    for name in _ID_COLUMNS:
        if name in lowered:
            return lowered.index(name)
    what = f"no column of case ids (looked for {', '.join(_ID_COLUMNS)})"
    raise unusable(what, "name it in site.yaml under sources.<modality>.columns.case_id", file=path.name)


def write_example(folder: Path, case_ids: Sequence[str], classes: Sequence[int], rng: np.random.Generator) -> Source:
    """A made-up `table.csv` of measured features, some of them missing; odd and even classes differ most."""
    folder.mkdir(parents=True, exist_ok=True)
    centres = np.stack([_centre(label) for label in classes])
    values = centres + rng.normal(0, 1.0, centres.shape)
    values[rng.random(values.shape) < 0.03] = np.nan
    frame = pd.DataFrame(values.round(4), columns=[f"feature_{number}" for number in range(1, _EXAMPLE_FEATURES + 1)])
    frame.insert(0, "case_id", list(case_ids))
    frame.to_csv(folder / "table.csv", index=False)
    return Source((folder / "table.csv",))


def _centre(label: int) -> np.ndarray:
    """A class's mean; drawn from the class alone, so that sites agree on it."""
    parity = np.random.default_rng([31, label % 2]).normal(0, 1, _EXAMPLE_FEATURES)
    own = np.random.default_rng([31, 7, label]).normal(0, 1, _EXAMPLE_FEATURES)
    return 0.35 * parity + 0.2 * own
