"""A site folder: site.yaml, cases.csv and the raw files that site.yaml names."""

import dataclasses
import os.path
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from modalities.core.config import BranchConfig, check
from modalities.core.contract import Cases, SlideSettings, Source
from modalities.core.delimited import listing, rows_of
from modalities.core.federation import Task
from modalities.core.registry import plugin
from modalities.core.seeds import seed_of
from modalities.core.structured import structured

SPLITS = ("train", "test")
NO_LABEL = -1


@dataclass(frozen=True)
class SourceConfig:
    """One modality's raw files; section `sources.<modality>` of site.yaml."""

    paths: list[str] = field(default_factory=list)
    """Files or folders, relative to site.yaml."""
    format: str = "auto"
    """Name of a format of the modality, or `auto`."""
    columns: dict[str, str] = field(default_factory=dict)
    """For plain CSV files: field name -> this site's column."""


@dataclass(frozen=True)
class Policy:
    """What the site allows, whatever a server asks."""

    modalities: list[str] = field(default_factory=list)
    """The modalities it will train; empty allows all that it has sources for."""
    min_cohort: int = 10
    """A modality with fewer training cases than this takes no part."""
    min_cell: int = 10
    """A count from 1 to below this leaves the site as half of it, flagged."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(
            [f"min_cohort must not be negative, got {self.min_cohort}"] * (self.min_cohort < 0)
            + [f"min_cell must not be negative, got {self.min_cell}"] * (self.min_cell < 0)
        )


@dataclass(frozen=True)
class SiteConfig:
    """The whole of site.yaml."""

    name: str = ""
    cases: str = "cases.csv"
    sources: dict[str, SourceConfig] = field(default_factory=dict)
    slides: SlideSettings = field(default_factory=SlideSettings)
    policy: Policy = field(default_factory=Policy)


@dataclass(frozen=True)
class Site:
    """A site folder, opened and checked for one task."""

    name: str
    cases: pd.DataFrame
    """Indexed by case_id: `label` (class index, or NO_LABEL) and `split` (train or test)."""
    sources: Mapping[str, Source]
    policy: Policy
    dropped: Mapping[str, int]
    """Labels left out, counted; a blank one under ''."""

    def offers(self, modalities: Sequence[str]) -> list[str]:
        """Those of the federation's modalities that this site has and will train."""
        allowed = self.policy.modalities or list(self.sources)
        return [name for name in modalities if name in self.sources and name in allowed]

    def read(self, modality: str, config: BranchConfig) -> Cases:
        """The modality of the cases that cases.csv lists; those of the file that it doesn't list are counted."""
        found = plugin(config.kind).read(self.sources[modality], config)
        listed = [case_id for case_id in found.case_ids if case_id in self.cases.index]
        unlisted = {"cases not in cases.csv": len(found.case_ids) - len(listed)}
        kept = found.select(listed)
        return Cases(kept.case_ids, kept.values, kept.features, {**found.notes, **unlisted})

    def labels(self, case_ids: Sequence[str]) -> np.ndarray:
        """Class index of each case."""
        return self.cases.loc[list(case_ids), "label"].to_numpy(dtype=np.int64)


def open_site(folder: Path, task: Task) -> Site:
    """The site folder at this path.

    Raises:
        ValueError: every problem of site.yaml and cases.csv at once.
    """
    config = read_site_config(folder / "site.yaml")
    problems: list[str] = []
    sources = _sources(folder, config, problems)
    problems += [
        f"policy.modalities: {name}: no such source; the site has {', '.join(sources) or 'none'}"
        for name in config.policy.modalities
        if name not in sources
    ]
    cases, dropped = _read_cases(folder / config.cases, task, problems)
    if problems:
        raise ValueError(f"site {config.name}: {'; '.join(problems)}")
    return Site(config.name, cases, sources, config.policy, dropped)


def open_sources(folder: Path) -> tuple[SiteConfig, dict[str, Source]]:
    """site.yaml and the sources it names, of a site whose task nobody has said yet.

    Raises:
        ValueError: every problem of site.yaml at once.
    """
    config = read_site_config(folder / "site.yaml")
    problems: list[str] = []
    sources = _sources(folder, config, problems)
    check([f"site {config.name}: {'; '.join(problems)}"] if problems else [])
    return config, sources


def case_ids_of(folder: Path, config: SiteConfig) -> list[str]:
    """The cases that the site lists, whatever else the list says.

    Raises:
        ValueError: there is no such file, or it has no column case_id.
    """
    header, *rows = rows_of(folder / config.cases, ",")
    if "case_id" not in header:
        raise ValueError(f"{config.cases}: no column case_id")
    return [row[header.index("case_id")].strip() for row in rows]


def read_site_config(path: Path) -> SiteConfig:
    """site.yaml, checked.

    Raises:
        ValueError: it is absent, is no YAML, has unknown settings, or names no site.
    """
    try:
        raw = OmegaConf.to_container(OmegaConf.load(path))
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file; a site folder needs a site.yaml") from None
    except (OSError, yaml.YAMLError, OmegaConfBaseException, ValueError) as error:
        raise ValueError(f"{path.name}: cannot be read: {error}") from error
    problems: list[str] = []
    values = {str(key): value for key, value in raw.items()} if isinstance(raw, dict) else {}
    config: SiteConfig = structured(SiteConfig, {}, values, "site", problems)
    if not problems and not config.name:
        problems.append("site.name: give the site a name")
    check([f"{path.name}: {'; '.join(problems)}"] if problems else [])
    return config


def write_site(folder: Path, name: str, cases: pd.DataFrame, sources: Mapping[str, Source], policy: Policy) -> None:
    """A site folder over raw files that stand already; `cases` has the columns case_id, label, split."""
    folder.mkdir(parents=True, exist_ok=True)
    cases.to_csv(folder / "cases.csv", index=False)
    sections = {
        modality: {
            "paths": [os.path.relpath(path.resolve(), folder.resolve()) for path in source.paths],
            "format": source.format,
            "columns": dict(source.columns),
        }
        for modality, source in sources.items()
    }
    allowed = {"modalities": list(policy.modalities), "min_cohort": policy.min_cohort, "min_cell": policy.min_cell}
    slides = {
        key: os.path.relpath(value, folder.resolve()) if isinstance(value, str) else value
        for source in sources.values()
        for key, value in dataclasses.asdict(source.slides).items()
        if value
    }
    content = {"name": name, "cases": "cases.csv", "sources": sections, "slides": slides, "policy": allowed}
    OmegaConf.save({key: value for key, value in content.items() if value}, folder / "site.yaml")


def folds_of(site: Site, seed: int, n_folds: int) -> pd.Series:
    """A fold, 1 to n_folds, for every labelled training case: stratified by class, from (seed, site name)."""
    train = site.cases[(site.cases["split"] == "train") & (site.cases["label"] != NO_LABEL)]
    order = np.random.default_rng(seed_of(seed, site.name, "folds")).permutation(len(train))
    shuffled = train.iloc[order].sort_values("label", kind="stable")
    return pd.Series(np.arange(len(shuffled)) % n_folds + 1, index=shuffled.index).reindex(train.index)


def _sources(folder: Path, config: SiteConfig, problems: list[str]) -> dict[str, Source]:
    slides = _slides(folder, config.slides)
    return {name: _source(folder, name, section, slides, problems) for name, section in config.sources.items()}


def _slides(folder: Path, section: SlideSettings) -> SlideSettings:
    """The section with absolute folders."""
    cache = str((folder / (section.cache or ".tessera/slides")).resolve())
    weights = str((folder / section.weights).resolve()) if section.weights else ""
    return SlideSettings(section.default_mpp, cache, weights)


def _source(folder: Path, name: str, section: Any, slides: SlideSettings, problems: list[str]) -> Source:
    if not section.paths:
        problems.append(f"site.yaml: sources.{name}.paths: name at least one file")
    paths = tuple((folder / path).resolve() for path in section.paths)
    problems += [f"sources.{name}: {path} does not exist" for path in paths if not path.exists()]
    return Source(paths, section.format, dict(section.columns), slides)


def _read_cases(path: Path, task: Task, problems: list[str]) -> tuple[pd.DataFrame, dict[str, int]]:
    """The case list with class indices; problems are added to the list."""
    nothing = pd.DataFrame({"label": [], "split": []}), {}
    try:
        header, *rows = rows_of(path, ",")
    except ValueError as error:
        problems.append(str(error))
        return nothing
    lacking = [name for name in ("case_id", task.label) if name not in header]
    if lacking or not rows:
        problems.append(f"{path.name}: no column {listing(lacking)}" if lacking else f"{path.name}: lists no case")
        return nothing
    frame = pd.DataFrame(rows, columns=pd.Index(header)).apply(lambda column: column.str.strip())
    frame = frame.set_index("case_id")
    labels = frame[task.label]
    splits = (frame["split"] if "split" in header else pd.Series("", index=frame.index)).replace("", "train")
    problems += _problems_of(path, frame.index, labels, splits, task)
    index = {name: position for position, name in enumerate(task.classes)}
    left_out = sorted({"", *task.drop})
    dropped = {name: int((labels == name).sum()) for name in left_out if (labels == name).any()}
    return pd.DataFrame({"label": [index.get(label, NO_LABEL) for label in labels], "split": splits}), dropped


def _problems_of(path: Path, case_ids: pd.Index, labels: pd.Series, splits: pd.Series, task: Task) -> list[str]:
    """Blank and repeated cases, and labels and splits that nobody knows."""
    blank = [f"line {line}" for line, case_id in enumerate(case_ids, start=2) if not case_id]
    repeated = sorted(case_id for case_id, count in Counter(case_ids).items() if case_id and count > 1)
    wrong_label = sorted(set(labels) - {"", *task.drop} - set(task.classes))
    wrong_split = sorted(set(splits) - set(SPLITS))
    problems = {
        f"no case_id in {listing(blank)}": blank,
        f"cases listed more than once: {listing(repeated)}; keep one row a case": repeated,
        f"labels outside the class list: {listing(wrong_label)}; the task knows {', '.join(task.classes)} and drops "
        f"{', '.join(task.drop) or 'none'}": wrong_label,
        f"split must be train, test or blank, got {listing(wrong_split)}": wrong_split,
    }
    return [f"{path.name}: {problem}" for problem, found in problems.items() if found]
