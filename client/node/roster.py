"""Whose keys a site takes: those of the roster that it approved, by the digest that the coordinator read out."""

import json
import re
import time
from dataclasses import dataclass
from pathlib import Path

from client.node.home import Home
from modalities.core.files.atomic import write_json
from modalities.core.problems import Problem, check, gathering, problems_of, unusable
from modalities.core.settings.privacy import read_privacy
from modalities.core.settings.site import SITE_FILE, SiteConfig, site_config
from strategies.masking.roster import Roster, changes, key_digest, load_roster

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Approval:
    """What was approved, and when."""

    roster: Roster
    time: float


def approve_roster(home: Home, config: SiteConfig, digest: str) -> tuple[Roster, list[str]]:
    """From now on this site takes the keys in its roster.yaml; with it, what differs from the one approved before.

    Raises:
        ValueError: this is no digest, or that of another file; the file cannot be read; this site's key is not in it.
    """
    check([f"{digest!r}: a digest is 64 hexadecimal digits"] if not _DIGEST.fullmatch(digest) else [])
    roster = roster_in_file(home, config)
    other = Problem(
        f"has the digest {roster.digest}, not {digest}",
        "approve nothing: have the coordinator read the digest out once more, or send the file whose digest it is",
        file=_path(home, config).name,
    )
    check([other] * (roster.digest != digest) + _of_this_site(home, config, roster))
    before = approval(home)
    content = {"digest": digest, "study": roster.study, "sites": dict(roster.sites), "time": time.time()}
    write_json(home.approved_roster, content)
    return roster, changes(before.roster, roster) if before else []


def withdraw_roster(home: Home, digest: str) -> None:
    """This site takes no other site's key any more.

    Raises:
        ValueError: it was not approved.
    """
    known = approval(home)
    held = known.roster.digest if known else "none"
    check([f"roster {digest}: not approved; approved is: {held}"] if held != digest else [])
    home.approved_roster.unlink()


def approved_roster(home: Home, config: SiteConfig) -> Roster:
    """The roster that this site approved; its file must still be that.

    Raises:
        ValueError: none is approved; site.yaml names no file, or one that cannot be read or is another by now; this
            site's key is not in it.
    """
    known = approval(home)
    if known is None:
        what = "no roster of the study's sites is approved: needed for masked sums"
        raise unusable(what, _how(home), file=f".tessera/{home.approved_roster.name}")
    roster = roster_in_file(home, config)
    if roster.digest != known.roster.digest:
        differing = "; ".join(changes(known.roster, roster))
        what = f"has the digest {roster.digest}, and this site approved {known.roster.digest} ({differing})"
        raise unusable(what, f"put the approved file back, or: {_how(home)}", file=_path(home, config).name)
    check(_of_this_site(home, config, roster))
    return roster


def roster_problems(home: Home, config: SiteConfig) -> list[Problem]:
    """What keeps this site from masked sums, where its policy or the settings that it agreed to require them."""
    agreed = config.coordinator.federation
    is_required = config.policy.require_masking or (bool(agreed) and read_privacy(home.site / agreed).is_masked)
    problems: list[Problem] = []
    with gathering(problems):
        if is_required:
            approved_roster(home, config)
    return problems


def approval(home: Home) -> Approval | None:
    """What this site approved last.

    Raises:
        ValueError: the record of it is damaged.
    """
    if not home.approved_roster.is_file():
        return None
    try:
        kept = json.loads(home.approved_roster.read_text(encoding="utf-8"))
        known = Approval(Roster(kept["sites"], kept["study"]), float(kept["time"]))
        if known.roster.digest != kept["digest"]:
            raise ValueError("its sites are not those of its digest")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        what = f"cannot be read: {error}"
        raise unusable(what, f"delete it, and {_how(home)}", file=f".tessera/{home.approved_roster.name}") from error
    return known


def roster_in_file(home: Home, config: SiteConfig) -> Roster:
    """What lies in the site folder, approved or not.

    Raises:
        ValueError: site.yaml names no file, or one that cannot be read.
    """
    if not config.coordinator.roster:
        what = "names no file: needed for masked sums"
        remedy = "put the coordinator's roster.yaml into the site folder, and write `roster: roster.yaml` there"
        raise unusable(what, remedy, file=SITE_FILE, where="coordinator.roster")
    return load_roster(_path(home, config))


def key_lines(roster: Roster, this: str) -> list[str]:
    """The sites and the digests of their keys, a line each."""
    return [f"  {name}: {key}{' (this site)' * (name == this)}" for name, key in sorted(roster.sites.items())]


def stand_of_roster(home: Home) -> list[str]:
    """What is approved, and what lies there; nothing where neither is."""
    lines = []
    known = approval(home)
    if known:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(known.time))
        lines.append(f"approved: roster {known.roster.digest} ({len(known.roster.sites)} sites, {when})")
    path = home.site / SITE_FILE
    config = site_config(path, []) if path.is_file() else SiteConfig()
    if config.coordinator.roster and _path(home, config).exists():
        found = roster_in_file(home, config)
        lines.append(f"{_path(home, config).name} is {found.digest}, {len(found.sites)} sites:")
        lines += key_lines(found, config.name)
    return lines


def _path(home: Home, config: SiteConfig) -> Path:
    return home.site / config.coordinator.roster


def _of_this_site(home: Home, config: SiteConfig, roster: Roster) -> list[Problem]:
    """Whether the roster has this site's own key under its own name; anything else is not for this site."""
    if not home.public_key.is_file():
        return [Problem("no public key here", "make the key: tessera-client init", file=".tessera/node.pub")]
    try:
        key = key_digest(home.public_key.read_bytes())
    except ValueError as error:
        return problems_of(error, file=".tessera/node.pub")
    held = roster.sites.get(config.name)
    if held == key:
        return []
    names = [name for name, other in roster.sites.items() if other == key]
    instead = f"{config.name} stands there with another key" if held else f"no site {config.name} stands there"
    what = f"this site's key stands there as {names[0]}, not as {config.name}" if names else instead
    remedy = "ask the coordinator whether node.pub is the key, and `name` of site.yaml the name, that they enrolled"
    return [Problem(what, remedy, file=_path(home, config).name)]


def _how(home: Home) -> str:
    return f"compare with what the coordinator reads out, then: tessera-client trust {home.site} --roster DIGEST"
