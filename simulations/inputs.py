"""What the commands share: a federation from options and dotted settings, and a data folder as a cohort."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from modalities.core.federation import Federation, federation_from
from modalities.core.registry import plugins
from simulations.cohort import Cohort
from simulations.tcga import group_sites, open_dataset, write_raw_files


def names_in(text: str) -> list[str]:
    """The names of a comma-separated option, blanks left out."""
    return [name.strip() for name in text.split(",") if name.strip()]


def rates_in(text: str) -> list[float]:
    """The shares of a comma-separated option.

    Raises:
        ValueError: one is no number, or is there twice.
    """
    try:
        rates = [float(name) for name in names_in(text)]
    except ValueError:
        raise ValueError(f"--missing-rate: give numbers such as 0,.3,.5, got {text!r}") from None
    if not rates or len(set(rates)) < len(rates):
        raise ValueError(f"--missing-rate: give each rate once, got {text!r}")
    return rates


def federation_of(
    names: Sequence[str], given: Mapping[str, Any], seed: int, settings: Sequence[str] | None
) -> Federation:
    """The default settings of these modalities, with what the command line says; `given` is by modality."""
    raw: dict[str, Any] = {"seed": seed, "modalities": sections_of(names, given, None)}
    merged = OmegaConf.to_container(OmegaConf.merge(raw, OmegaConf.from_dotlist(list(settings or []))))
    return federation_from({str(key): value for key, value in merged.items()} if isinstance(merged, dict) else {})


def sections_of(
    names: Sequence[str], given: Mapping[str, Any], settings: Sequence[str] | None
) -> dict[str, dict[str, Any]]:
    """The section of each modality; a name that is no plug-in is a table."""
    sections = {name: {"kind": name if name in plugins() else "table", **given.get(name, {})} for name in names}
    merged = OmegaConf.merge({"modalities": sections}, OmegaConf.from_dotlist(list(settings or [])))
    return OmegaConf.to_container(merged)["modalities"]  # pyright: ignore


def tcga_cohort(
    data: Path, federation: Federation, min_site: int, sites_by: Path | None, out: Path, prefix: str = ""
) -> Cohort:
    """The cases of a data folder at their sites, and each site's raw files, written below `out`."""
    dataset = open_dataset(data, list(federation.modalities), federation.task)
    sites = prefix + group_sites(dataset, federation.task, min_site, sites_by)
    sources = write_raw_files(dataset, sites, out)
    return Cohort(dataset.cases.assign(site=sites), sources)
