"""Turns tables in the layout of TCGA-BRCA, or of a dataset.yaml, into site folders by tissue source site."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from modalities.core.contract import SlideSettings, Source
from modalities.core.fields import settings
from modalities.core.files.tables.delimited import listing, rows_of
from modalities.core.problems import Problem, check, gathering
from modalities.core.registry import plugins
from modalities.core.settings.structured import structured
from modalities.core.settings.task import Task
from modalities.core.settings.yaml_file import plain_in
from modalities.table import ENDINGS
from simulations.cohorts.labels import Labels, read_labels
from simulations.cohorts.raw_files import deal
from simulations.cohorts.slide_folders import settings_of

POOLED = "other"


@settings
class Layout:
    """The files of a data folder; a dataset.yaml in it changes any of this."""

    labels: Labels = field(default_factory=Labels)
    sources: dict[str, list[str]] = field(
        default_factory=lambda: {
            "cnv": ["cnv/data_cna.txt", "cnv/data_log2_cna.txt"],
            "clinical": [
                "clinical/nationwidechildrens.org_clinical_patient_brca.txt",
                "clinical/BRCA_clinicalMatrix.tsv",
                "clinical/brca_tcga_pan_can_atlas_2018_clinical_data.tsv",
            ],
        }
    )
    """Modality -> its files; a modality not named here is the single NAME.{csv,tsv,parquet}[.gz] below the folder."""


@dataclass(frozen=True)
class Dataset:
    """A data folder: who the cases are and where each modality's files lie."""

    cases: pd.DataFrame
    """Indexed by case_id: `label` as it is written, `site` and `site_name`, which is blank where there is none."""
    files: Mapping[str, Sequence[Path]]


def open_dataset(folder: Path, modalities: Sequence[str], task: Task) -> Dataset:
    """The data folder's cases and files.

    Raises:
        ValueError: everything that is absent or ambiguous, at once.
    """
    problems: list[Problem] = []
    layout = Layout()
    if (folder / "dataset.yaml").is_file():
        with gathering(problems):
            raw = plain_in(folder / "dataset.yaml") or {}
            layout = structured(Layout, {}, raw, "dataset.yaml", problems) or layout
    files = {name: _files(folder, name, layout, problems) for name in modalities}
    clinical = [folder / entry for entry in layout.sources.get("clinical", []) if (folder / entry).is_file()]
    cases = read_labels(folder, layout.labels, clinical, task, problems)
    check(replace(problem, file=": ".join(filter(None, [str(folder), problem.file]))) for problem in problems)
    return Dataset(cases, files)


def _files(folder: Path, name: str, layout: Layout, problems: list[Problem]) -> list[Path]:
    if name in layout.sources:
        entries = layout.sources[name]
        paths = [folder / entry for entry in entries if (folder / entry).exists()]
        is_usual = entries == Layout().sources.get(name)  # then not every cohort has all of them
        absent = [entry for entry in entries if not (folder / entry).exists()]
        if not paths:
            problems.append(Problem(f"{name}: none of {listing(entries)} is there"))
        elif absent and not is_usual:
            problems.append(Problem(f"{name}: {listing(absent)}, which dataset.yaml names, is not there"))
        return paths
    if name in plugins() and name != "table":
        problems.append(Problem(f"{name}: name its files in dataset.yaml under sources.{name}"))
        return []
    found = sorted(path for ending in ENDINGS for path in folder.rglob(f"{name}{ending}"))
    if len(found) != 1:
        many = listing([str(path.relative_to(folder)) for path in found]) or "none"
        what = f"{name}: needs one file {name}.csv, .tsv or .parquet below the folder, found {many}"
        problems.append(Problem(what))
    return found


def group_sites(dataset: Dataset, task: Task, min_site: int, sites_by: Path | None = None) -> pd.Series:
    """The simulated site of each case; sites with fewer than `min_site` usable cases become one, `other`.

    `sites_by` is a CSV whose first column is a site code of the labels and whose column `site` (or last) is the group.
    """
    site = dataset.cases["site"]
    if sites_by is not None:
        header, *rows = rows_of(sites_by)
        column = header.index("site") if "site" in header else len(header) - 1
        groups = {row[0]: row[column] or POOLED for row in rows}
        site = site.map(groups).fillna(POOLED)
    usable = site[dataset.cases["label"].isin(task.class_by_label)]
    counts = usable.value_counts()
    large = set(counts.index[counts >= min_site])
    return site.where(site.isin(large), POOLED)


def names_of_sites(dataset: Dataset, site_of: pd.Series) -> dict[str, str]:
    """What each site is called, where all its cases agree; of one that pools others, how many."""
    names = {}
    for site, own in dataset.cases.groupby(site_of):
        called, codes = set(own["site_name"]) - {""}, own["site"].nunique()
        if codes > 1 and str(site).endswith(POOLED):
            names[str(site)] = f"{codes} smaller sites"
        elif len(called) == 1:
            names[str(site)] = called.pop()
    return {site: name for site, name in names.items() if name != site}


def write_raw_files(dataset: Dataset, site_of: pd.Series, out: Path) -> dict[str, dict[str, Source]]:
    """Each site's raw files below `out/<site>/<modality>/`; site -> modality -> source."""
    owners = {str(case_id): str(site) for case_id, site in site_of.items()}
    sources: dict[str, dict[str, Source]] = {site: {} for site in sorted(set(owners.values()))}
    for modality, paths in dataset.files.items():
        folders = {site: out / site / modality for site in sources}
        written: dict[str, list[Path]] = {}
        for path in paths:
            for site, copy in deal(path, owners, folders).items():
                written.setdefault(site, []).append(copy)
        for site, copies in written.items():
            slides = settings_of(paths[0]) if modality != "cnv" and paths[0].is_dir() else SlideSettings()
            sources[site][modality] = Source((folders[site],) if modality == "cnv" else tuple(copies), slides=slides)
    return sources
