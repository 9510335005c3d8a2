"""Everything that `tessera-client check` looks at: the folder under a study's settings, the machine, the way out."""

import datetime
from dataclasses import replace
from pathlib import Path

from client.check.folder import SiteReport, check_site, check_site_alone
from client.check.machine import machine_problems, slides_in
from client.check.network import reach_problems
from client.check.own_files import fingerprints, own_problems
from client.node.home import Home
from client.node.roster import roster_problems
from client.study.compared import compared_problems
from modalities.core.problems import Problem, gathering, note, warning, worst_first
from modalities.core.settings.differences import differences
from modalities.core.settings.federation import Federation
from modalities.core.settings.site import SiteConfig, site_config
from modalities.core.settings.sources import sources_of
from strategies.settings import load_federation


def check_everything(folder: Path, federation: Path | None, offline: bool) -> SiteReport:
    """What stands in the way of taking part, worst first; each part is looked at whatever is wrong with the others.

    Without `federation` the settings that the site agreed to are taken (coordinator.federation of site.yaml); without
    those, the cases and their files are not read.
    """
    config = _config(folder)
    settings, problems = _settings(folder, config, federation)
    if settings is not None:
        report = check_site(folder, settings)
    else:
        report = SiteReport(config.name if config else "", {}, check_site_alone(folder))
    problems += _without_masks(config, settings)
    problems += compared_problems(Home(folder), settings.digest) if settings is not None else []
    problems += [*report.problems, *(_surroundings(folder, config, offline) if config else [])]
    return replace(report, problems=worst_first(problems))


def _config(folder: Path) -> SiteConfig | None:
    """What is right in site.yaml; what is wrong with it `check_site` says."""
    try:
        return site_config(folder / "site.yaml", [])
    except ValueError:
        return None


def _settings(folder: Path, config: SiteConfig | None, given: Path | None) -> tuple[Federation | None, list[Problem]]:
    """The study's settings to check the folder under, and what is wrong with them or with those agreed to."""
    problems: list[Problem] = []
    read = {}
    agreed = folder / config.coordinator.federation if config and config.coordinator.federation else None
    if agreed and not agreed.is_file():
        remedy = "put the coordinator's federation.yaml there; `join` needs it too"
        problems.append(Problem("no such file", remedy, file=agreed.name, where="coordinator.federation"))
        agreed = None
    for path in (agreed, given):
        with gathering(problems, file=path.name if path else ""):
            read[path] = load_federation(path) if path else None
    settings, own = read.get(given), read.get(agreed)
    if settings and own and settings.digest != own.digest:
        unlike = "; ".join(differences({"agreed": own, "sent": settings}))
        what = f"other settings than those that this site agreed to: {unlike}"
        remedy = "the site takes part only under those that coordinator.federation in site.yaml names"
        problems.append(warning(what, remedy, file=given.name if given else ""))
    if not (agreed or given):
        what = "no study's settings: cases and their files were not read"
        remedy = "give --federation FILE, or name it as coordinator.federation in site.yaml"
        problems.append(note(what, remedy))
    return settings or (own if given is None else None), problems


def _without_masks(config: SiteConfig | None, settings: Federation | None) -> list[Problem]:
    """A study that this site's policy keeps it out of."""
    if config is None or settings is None or settings.privacy.is_masked or not config.policy.require_masking:
        return []
    said = settings.privacy.masking
    what = f"this site takes part in masked sums only, and this study has none (privacy.masking: {said})"
    remedy = "ask the coordinator for privacy.masking: required; docs/security.md says what it is to do without"
    return [Problem(what, remedy, file="site.yaml", where="policy.require_masking")]


def _surroundings(folder: Path, config: SiteConfig, offline: bool) -> list[Problem]:
    """Machine and way out: what a study needs besides data."""
    sources = sources_of(folder, config, [])
    cache = next((Path(source.slides.cache) for source in sources.values()), None)
    n_slides = slides_in(sources)
    places = {"the site's own folder": Home(folder).folder} | ({"slides": cache} if cache and n_slides else {})
    found, own = machine_problems(places, n_slides, config.resources.device), config.coordinator
    if not own.address:
        what = "no coordinator.address: key, certificates and the way to the coordinator were not looked at"
        return [*found, note(what, "needed to join: docs/hospital.md", file="site.yaml", where="coordinator.address")]
    found += own_problems(folder, own, datetime.datetime.now(datetime.UTC)) + fingerprints(folder, own)
    found += roster_problems(Home(folder), config)
    if offline:
        return [*found, note(f"--offline: the way to {own.address} and the clock were not looked at")]
    return found + reach_problems(own.address, folder / own.authority)
