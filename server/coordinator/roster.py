"""roster.yaml of a study: made of the keys that are enrolled, and held against them later."""

from collections.abc import Iterator

from modalities.core.keyfiles import line_fingerprint
from modalities.core.settings.federation import Federation
from server.coordinator.folder import Study, enrolled
from strategies.masking.roster import Roster, changes, key_digest, load_roster, write_roster


def make_roster(study: Study) -> tuple[Roster, list[str]]:
    """Write the roster of the sites that are enrolled now; with it, what differs from the roster that was there.

    Raises:
        ValueError: no site is enrolled; or the roster that is there cannot be read.
    """
    if not enrolled(study):
        raise ValueError(f"{study.folder}: no site is enrolled; enrol every site first: tessera-server enrol")
    before = kept_roster(study)
    roster = _of_enrolled(study, before)
    if roster != before:
        write_roster(study.roster, roster)
        study.rosters.mkdir(exist_ok=True)
        write_roster(study.rosters / f"{len(list(study.rosters.iterdir())) + 1:04d}.yaml", roster)
    return roster, changes(before, roster) if before else []


def kept_roster(study: Study) -> Roster | None:
    """The roster that is there.

    Raises:
        ValueError: it cannot be read.
    """
    if not (study.roster.exists() or study.roster.is_symlink()):
        return None
    try:
        return load_roster(study.roster)
    except ValueError as error:
        raise ValueError(f"{error}\n{study.roster}: move it away, and make it anew: {_command(study)}") from error


def fingerprints(study: Study) -> dict[str, str]:
    """Site -> its key's fingerprint, as it was read out when the site was enrolled."""
    return {path.stem: line_fingerprint(path.read_text(encoding="ascii")) for path in enrolled(study)}


def lacking(study: Study, federation: Federation) -> Iterator[str]:
    """What stands between these settings and masked sums: a roster, and one of the keys that are enrolled now."""
    if not federation.privacy.is_masked:
        return
    roster = kept_roster(study)
    if roster is None:
        yield (
            f"no roster yet, and without one no site takes part in masked sums; once every site is enrolled: "
            f"{_command(study)}, then hand out again"
        )
    elif differing := outdated(study):
        yield f"roster.yaml is not of the sites enrolled now ({differing}); {_command(study)}, then hand out again"
    elif len(roster.sites) < federation.privacy.least_sites:
        yield (
            f"roster.yaml has {len(roster.sites)} sites, and a sum is opened of {federation.privacy.least_sites} or "
            "more: enrol more sites"
        )


def outdated(study: Study) -> str:
    """How the sites enrolled now differ from those of roster.yaml; empty where they do not, or there is none."""
    roster = kept_roster(study)
    if roster is None:
        return ""
    if not enrolled(study):
        return f"left: {', '.join(sorted(roster.sites))}"
    return "; ".join(changes(roster, _of_enrolled(study, roster)))


def _of_enrolled(study: Study, before: Roster | None) -> Roster:
    """A roster keeps the study's name: a folder that was moved is no other study."""
    keys = {path.stem: key_digest(path.read_bytes()) for path in enrolled(study)}
    return Roster(keys, before.study if before else study.folder.resolve().name)


def _command(study: Study) -> str:
    return f"tessera-server roster {study.folder}"
