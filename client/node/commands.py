"""The commands with which a site takes part: init, trust, join, status."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from client.exports.begin import Begun, begin
from client.exports.found import described, exports_in
from client.node.approval import approvals, approve, last_refused, refusal, refuse_changed_files, withdraw
from client.node.home import Home
from client.node.keys import make_node_key
from client.node.roster import approve_roster, key_lines, roster_problems, stand_of_roster, withdraw_roster
from client.node.supervisor import Node, keep_joined, state_of
from modalities.core.console import LogJson, Syslog, logged, say, say_inside, show
from modalities.core.files.open_files import FEW, allow_open_files, open_files_problems
from modalities.core.keyfiles import line_fingerprint, read_private
from modalities.core.problems import Problem, check, unusable
from modalities.core.registry import kinds
from modalities.core.settings.site import SITE_FILE, problem_of_name, read_site_config
from modalities.core.settings.yaml_file import plain_in
from modalities.core.supply.packages import contents, installed
from strategies.bundle import REPOSITORY, digest_of_checkout

Site = Annotated[Path, typer.Argument(help="The site folder, with its site.yaml.")]


def init(
    site: Site,
    name: Annotated[str, typer.Option(help="The site's name: letters, digits and -, _ or dots.")],
    address: Annotated[str, typer.Option(help="The coordinator's gateway, name:port.")] = "",
    exports: Annotated[
        list[Path] | None,
        typer.Option("--from", help="A file or folder of your exports, which stay as they are; may be repeated."),
    ] = None,
    label: Annotated[str, typer.Option(help="With --from: the exports' column of labels.")] = "",
    test_share: Annotated[
        float,
        typer.Option(help="With --from: the share of each label's cases that is kept for testing.", min=0, max=0.9),
    ] = 0.0,
) -> None:
    """Make a site folder's site.yaml, with comments, and its node key; what stands there already is kept.

    With --from, site.yaml and the case list begin with what the exports hold.
    """
    home = Home(site)
    check([problem_of_name(name)] if problem_of_name(name) else [])
    begun = _begun(site, exports, label, test_share) if exports else Begun(_SOURCES, _NO_CASES)
    site.mkdir(parents=True, exist_ok=True)
    _write_site_file(site / SITE_FILE, name, address, begun.sources)
    if not (site / "cases.csv").exists():
        (site / "cases.csv").write_text(begun.cases, encoding="utf-8")
    home.folder.mkdir(mode=0o700, exist_ok=True)
    if home.key.exists():
        line = home.public_key.read_text(encoding="ascii").strip()
    else:
        _refuse_another_keys_log(home)
        line = make_node_key(home.key, home.public_key, name)
    say(f"site folder: {site}\nnode key: {home.key} (stays here)")
    say(f"send this file to the coordinator: {home.public_key}\n{line}")
    say(f"and read its fingerprint to them over the telephone: {line_fingerprint(line)}")


def _begun(site: Path, exports: Sequence[Path], label: str, test_share: float) -> Begun:
    """What the exports hold, said and shown.

    Raises:
        ValueError: the folder has a site.yaml or a case list already, which would not be kept; or nothing is in them.
    """
    from strategies.settings import (
        federation_from,
        load_federation,
    )  # what imports torch: the other commands do without

    there = [f"{site / name} is there already" for name in (SITE_FILE, "cases.csv") if (site / name).exists()]
    check([Problem(what, "--from begins a new site folder: name another, or move it away") for what in there])
    agreed = site / "federation.yaml"
    every_kind = {"modalities": {kind: {} for kind in kinds()}}
    federation = load_federation(agreed) if agreed.is_file() else federation_from(every_kind)
    found = exports_in(exports, federation.modalities)
    for export in found:
        say(f"{export.path}: {described(export)}")
    begun = begin(site, found, federation, label, test_share)
    for problem in begun.problems:
        show(problem)
    say(f"next: tessera-client pseudonymise {site}, where ids are hospital numbers")
    say(f"then: tessera-client map {site}, and tessera-client check {site}")
    return begun


def _refuse_another_keys_log(home: Home) -> None:
    """A new key begins a new audit log."""
    if home.audit.exists():
        what = "another node key signed this log, and one key signs a whole log"
        files = ", ".join(path.name for path in (home.audit, home.audit_tree, home.receipts))
        raise unusable(what, f"move {files} away, beside the old key, and run this again", file=str(home.audit))


def _write_site_file(path: Path, name: str, address: str, sources: str) -> None:
    """site.yaml, or what it lacks to take part; what it says stays."""
    coordinator = _COORDINATOR.format(address=address or "name:9443")
    if not path.exists():
        path.write_text(_SITE.format(name=name, sources=sources) + coordinator, encoding="utf-8")
        return
    config = read_site_config(path)
    check([f"{path}: its name is {config.name}, not {name}; correct one of them"] if config.name != name else [])
    if "coordinator" not in plain_in(path):
        with path.open("a", encoding="utf-8") as file:
            file.write("\n" + coordinator)
        say(f"{path} is kept, with a section `coordinator` at its end")
    if config.policy.min_holders < _MIN_HOLDERS:
        say(
            f"note: policy.min_holders of {path} is {config.policy.min_holders}: a modality is trained here even if "
            f"fewer than {_MIN_HOLDERS} sites hold it; docs/security.md says what that means"
        )
    if not config.policy.require_masking:
        say(
            f"note: policy.require_masking of {path} is false: in a study without masks the coordinator sees what this "
            "site alone sends; docs/security.md says what that means"
        )


def join(site: Site, log_json: LogJson = False, syslog: Syslog = "") -> None:
    """Take part until you stop it (Ctrl-C, or `tessera-client leave`); it connects again by itself."""
    with logged("join", Home(site).log, as_json=log_json, syslog=syslog):
        _join(site)


def _join(site: Path) -> None:
    home, config = Home(site), read_site_config(site / "site.yaml")
    own = config.coordinator
    check(
        [f"{site}/site.yaml: coordinator.address: name the coordinator's gateway, name:port"] * (not own.address)
        + [f"{site / own.authority}: no such file; put the coordinator's ca.crt there"]
        * (not (site / own.authority).is_file())
        + [f"{home.key}: no node key; make one with `tessera-client init`"] * (not home.key.is_file())
        + [f"{site}: no code is approved yet; review it, then: tessera-client trust {site} --from-checkout"]
        * (not approvals(home))
        + [f"{site}: an erasure was broken off here; end it first: tessera-client leave {site} --erase"]
        * home.erasing.is_file()
        + roster_problems(home, config)
        + _not_agreed(site, own.federation)
        + open_files_problems(FEW)
    )
    allow_open_files(FEW)
    read_private(home.key)  # refused where others can read it
    say(f"site {config.name} connects to {own.address}; log: {home.log}")
    keep_joined(Node(home, config), say, say_inside)


def _not_agreed(site: Path, federation: str) -> list[Problem]:
    """What is missing of the settings that the site agreed to: under any others it answers nothing."""
    if federation and (site / federation).is_file():
        return []
    what = f"{federation}: no such file" if federation else "the settings that this site agreed to are not named"
    remedy = "put the coordinator's federation.yaml there, read it, and name it"
    return [Problem(what, remedy, file=str(site / SITE_FILE), where="coordinator.federation")]


def trust(
    site: Site,
    digest: Annotated[str, typer.Argument(help="The digest of the code, from the coordinator.")] = "",
    from_checkout: Annotated[
        bool, typer.Option("--from-checkout", help="Approve the source that this command runs from.")
    ] = False,
    roster: Annotated[
        str, typer.Option(help="Approve the roster of sites and keys: its digest, from the coordinator by telephone.")
    ] = "",
    verify: Annotated[
        bool, typer.Option("--verify", help="First hold every file of the installed packages against its SHA-256.")
    ] = False,
    withdrawn: Annotated[bool, typer.Option("--withdraw", help="Take the approval back.")] = False,
) -> None:
    """Approve the code that a study may run here, or its roster, by digest; without one, say what is approved.

    A run brings its code along. This site runs it only if every file is that of an approved digest, and on the
    packages that were installed when it was approved. With masked sums it takes the keys of other sites only from the
    roster that it approved.
    """
    home = Home(site)
    if bool(digest) + from_checkout + bool(roster) > 1:
        raise ValueError("give one of: a digest of code, --from-checkout, --roster")
    if roster:
        _trust_roster(home, roster, withdrawn)
        return
    chosen = digest_of_checkout() if from_checkout else digest
    if withdrawn and not chosen:
        approved = ", ".join(approvals(home)) or "none"
        show(Problem("--withdraw needs the digest whose approval is taken back", f"approved are: {approved}"))
        raise typer.Exit(2)
    if withdrawn:
        withdraw(home, chosen)
        say(f"no longer approved: {chosen}")
    elif chosen:
        packages = installed()
        refuse_changed_files(packages if verify else ())
        approve(home, chosen, f"the source in {REPOSITORY}" if from_checkout else "typed", contents(packages))
        say(f"approved: {chosen}, on the {len(packages)} packages that are installed here")
    else:
        for known, entry in approvals(home).items():
            say(f"approved: {known} ({entry['source']}, {_when(entry['time'])})")
        say(f"this source is {digest_of_checkout()}")
        for line in stand_of_roster(home):
            say(line)


def _trust_roster(home: Home, digest: str, withdrawn: bool) -> None:
    if withdrawn:
        withdraw_roster(home, digest)
        say(f"no longer approved: roster {digest}")
        return
    config = read_site_config(home.site / "site.yaml")
    roster, differing = approve_roster(home, config, digest)
    for line in [*key_lines(roster, config.name), *differing]:
        say(line)
    say(f"approved: roster {digest}, {len(roster.sites)} sites")


def status(site: Site) -> None:
    """Whether this site takes part, and since when; exit code 1 if it does not."""
    home = Home(site)
    state = state_of(home)
    if not state:
        say("this site has not joined yet")
    else:
        when = _when(state["time"])
        running = state["state"] if state["alive"] else "stopped"
        say(f"{running} since {when}{': ' + state['meaning'] if state.get('meaning') else ''}")
        if state.get("request"):
            say(f"last request: {state['request']}")
        for complaint in state.get("complaints", ()):
            say(complaint)
    if refused := last_refused(home):
        say(refusal(refused, site))
    if not state.get("alive"):
        raise typer.Exit(1)


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


_MIN_HOLDERS = 3
_NO_CASES = "case_id,label,split\n"
_SOURCES = """\
sources:                       # the raw files of each modality, relative to this file
  #cnv: {paths: [cnv]}
  #clinical: {paths: [clinical/clinic.csv], columns: {case_id: patient, age: age_years}}
"""
_SITE = """\
# What this site has, and what it allows. docs/federation.md describes every line; `tessera-client check` reads it all.
name: {name}
cases: cases.csv               # case_id,label,split; for hospital numbers: tessera-client pseudonymise
{sources}policy:                        # held to by this site's own code, whatever a server asks
  modalities: []               # what this site will train; empty: all that it has sources for
  min_cohort: 10               # a modality with fewer training cases takes no part
  min_cell: 10                 # a class count from 1 to below this leaves as half of it; sums of fewer cases stay
  min_holders: 3               # fewer sites with a modality than this, and it is not trained here
  max_rounds: 500
  max_local_epochs: 10
  require_masking: true        # no study in which the coordinator sees what this site alone sends
"""

_COORDINATOR = """\
coordinator:
  address: {address}
  local_port: 9094             # a free port of this machine, for Flower's own processes; on loopback only
  authority: ca.crt            # from the coordinator; the only authority that is trusted
  release_key: release.pub     # from the coordinator; what releases are checked with
  roster: roster.yaml          # from the coordinator, once every site is enrolled; to be approved: docs/hospital.md
  federation: federation.yaml  # the settings that you agreed to: the site takes part under no others
"""
