"""The raw files that site.yaml names: settings of the file as what plug-ins read from."""

from dataclasses import replace
from pathlib import Path

from modalities.core.contract import SlideSettings, Source
from modalities.core.problems import Problem, gathering
from modalities.core.pseudonyms import Pseudonyms, read_pseudonyms
from modalities.core.settings.site import SITE_FILE, SiteConfig, SourceConfig


def sources_of(folder: Path, config: SiteConfig, problems: list[Problem]) -> dict[str, Source]:
    """The raw files that site.yaml names; those that are not there are added to the problems."""
    slides, pseudonyms = _slides(folder, config.slides), pseudonyms_of(folder, config, problems)
    read = {name: _source(folder, name, section, slides, problems) for name, section in config.sources.items()}
    device = config.resources.device
    sources = {name: replace(source, pseudonyms=pseudonyms, device=device) for name, source in read.items()}
    has = f"the site has {', '.join(sources) or 'none'}"
    problems += [
        Problem(f"{name}: no such source", has, file=SITE_FILE, where="policy.modalities")
        for name in config.policy.modalities
        if name not in sources
    ]
    return sources


def pseudonyms_of(folder: Path, config: SiteConfig, problems: list[Problem]) -> Pseudonyms | None:
    """What case ids are replaced by; None where they are not, or where the file of it has a problem."""
    with gathering(problems):
        return read_pseudonyms(folder / config.pseudonyms) if config.pseudonyms else None
    return None


def _slides(folder: Path, section: SlideSettings) -> SlideSettings:
    """The section with absolute folders."""
    cache = str((folder / (section.cache or ".tessera/slides")).resolve())
    weights = str((folder / section.weights).resolve()) if section.weights else ""
    return SlideSettings(section.default_mpp, cache, weights)


def _source(folder: Path, name: str, section: SourceConfig, slides: SlideSettings, problems: list[Problem]) -> Source:
    where = f"sources.{name}"
    if not section.paths:
        problems.append(Problem("name at least one file", file=SITE_FILE, where=f"{where}.paths"))
    paths = tuple((folder / path).resolve() for path in section.paths)
    for path in paths:
        try:
            path.stat()
        except FileNotFoundError:
            problems.append(Problem(f"{path} does not exist", "correct the path", file=SITE_FILE, where=where))
        except OSError as error:
            remedy = "see to it that this user may read it"
            problems.append(Problem(f"{path}: {error.strerror}", remedy, file=SITE_FILE, where=where))
    coded = {name: tuple(codes) for name, codes in section.concepts.items()}
    lists = {"concepts": coded, "case_ids": tuple(section.case_ids)}
    same = {name: getattr(section, name) for name in ("dates", "index", "sheet", "assembly", "units", "values")}
    return Source(paths, section.format, dict(section.columns), slides=slides, **lists, **same)
