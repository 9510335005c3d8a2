"""What the commands share: a federation from a file or from options, and a data folder as a cohort."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from modalities.core.registry import plugins
from modalities.core.settings.federation import Federation
from simulations.cohorts.cohort import Cohort
from simulations.cohorts.tcga import group_sites, names_of_sites, open_dataset, write_raw_files
from strategies.settings import federation_from, load_federation


def names_in(text: str) -> list[str]:
    """The names of a comma-separated option, blanks left out."""
    return [name.strip() for name in text.split(",") if name.strip()]


def numbers_in(text: str, option: str, example: str) -> list[float]:
    """The numbers of a comma-separated option.

    Raises:
        ValueError: one is no number, or is there twice.
    """
    try:
        numbers = [float(name) for name in names_in(text)]
    except ValueError:
        raise ValueError(f"{option}: give numbers such as {example}, got {text!r}") from None
    if not numbers or len(set(numbers)) < len(numbers):
        raise ValueError(f"{option}: give each number once, got {text!r}")
    return numbers


_TCGA = {"modalities": "cnv,clinical", "clinical": "ihc"}


def federation_of_file(path: Path, seed: int | None, settings: Sequence[str] | None, **options: object) -> Federation:
    """The settings of a federation.yaml; `seed`, where given, and dotted settings win over it.

    Raises:
        ValueError: an option was given that the file decides too; everything that is wrong with the file.
    """
    given = [f"--{name}" for name, value in options.items() if value]
    if given:
        raise ValueError(
            f"{', '.join(given)} beside --federation: {path.name} decides that; change it there, or by a dotted setting"
        )
    return load_federation(path, [*([] if seed is None else [f"seed={seed}"]), *(settings or [])])


def tcga_federation(
    path: Path | None, seed: int | None, settings: Sequence[str] | None, **options: str | None
) -> Federation:
    """The federation of `tessera-simulate tcga`: of a file, or of the options --modalities and --clinical."""
    if path is not None:
        return federation_of_file(path, seed, settings, **options)
    chosen = {name: options[name] or usual for name, usual in _TCGA.items()}
    given = {"clinical": {"inputs": chosen["clinical"]}}
    return federation_of(names_in(chosen["modalities"]), given, seed or 0, settings)


def notes_of(federation: Federation) -> str:
    """What a reader must know of the inputs to compare numbers, for the report's protocol."""
    notes = []
    for name, config in federation.modalities.items():
        if config.kind == "clinical":
            left_out = f" without {', '.join(config.exclude)}" if config.exclude else ""  # pyright: ignore
            notes.append(f"{name} inputs: {config.inputs}{left_out}")  # pyright: ignore
        elif config.kind == "cnv":
            notes.append(f"{name}: {config.values}")  # pyright: ignore
    return "; ".join(notes)


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
    return Cohort(dataset.cases.assign(site=sites), sources, names_of_sites(dataset, sites))
