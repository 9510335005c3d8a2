"""`tessera-client audit`: is the log whole, the log in the terminal, and a page for a data protection officer."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from rich.markup import escape
from rich.table import Column, Table

from client.audit.reading import Log, read_log, receipts_in
from client.audit.receipts import kept_in
from client.audit.verify import Verdict, verdict_of
from client.audit.view import Section, local, sections_of
from client.node.approval import approvals
from client.node.home import Home
from modalities.core.console import console, say, show
from modalities.core.files.atomic import write_atomically
from modalities.core.problems import Problem, unusable, warning
from modalities.core.release.signing import public_key
from modalities.core.settings.site import SITE_FILE, SiteConfig, read_site_config
from strategies.audit.statements import Receipt
from strategies.masking.roster import read_public_key

Action = Literal["verify", "show", "export"]


def audit(
    site: Annotated[Path, typer.Argument(help="The site folder, with its site.yaml.")],
    action: Annotated[Action, typer.Argument(help="verify, show or export.")] = "verify",
    receipt: Annotated[
        Path | None, typer.Option(help="Receipts from the coordinator, or another site's witnessed.jsonl.")
    ] = None,
    to: Annotated[Path | None, typer.Option(help="Of export: the page to write, .html, or the same as .json.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Of verify and show: print one JSON document.")] = False,
) -> None:
    """Verify the site's audit log, show it, or export a page of it; exit code 1 if anything of the log is wrong."""
    if action == "export" and (to is None or to.suffix not in (".html", ".json")):
        raise ValueError("export needs --to FILE.html or --to FILE.json")
    home, config = Home(site), read_site_config(site / SITE_FILE)
    log = read_log(home)
    verdict = _verdict(home, config, log, receipt)
    if action == "verify":
        _say_verdict(verdict, as_json)
    elif action == "show":
        _show(sections_of(log.entries(), approvals(home)), as_json)
    elif to is not None:
        _export(home, config, log, verdict, to)
    raise typer.Exit(0 if verdict.ok else 1)


def _verdict(home: Home, config: SiteConfig, log: Log, more: Path | None) -> Verdict:
    """What is wrong with the log, held against all receipts that the coordinator's release key signed."""
    if not home.public_key.is_file():
        raise unusable("no such file", "it is what the entries' signatures are checked with", file=str(home.public_key))
    given = [receipt for receipt in (receipts_in(more) if more else []) if receipt.site == config.name]
    if more and not given:
        raise unusable(f"no receipt for {config.name}", "ask the coordinator for one of this site", file=str(more))
    node = read_public_key(home.public_key.read_bytes())
    receipts, problems = _signed(home, config, [*kept_in(home.receipts), *given], node)
    verdict = verdict_of(log, node, receipts)
    return Verdict(verdict.entries, verdict.countersigned, [*verdict.problems, *problems])


def _signed(
    home: Home, config: SiteConfig, receipts: list[Receipt], node: EllipticCurvePublicKey
) -> tuple[list[Receipt], list[Problem]]:
    """The receipts that coordinator and site signed, and what is to say of the others."""
    file = home.site / config.coordinator.release_key
    if not file.is_file():
        what = f"not here, so none of {len(receipts)} receipts can be checked"
        return [], [warning(what, "ask the coordinator for release.pub", file=file.name)] if receipts else []
    key = public_key(file)
    countersigned = [receipt for receipt in receipts if receipt.is_countersigned(key)]
    signed = [receipt for receipt in countersigned if receipt.is_from_site(node)]
    counts = ((len(receipts) - len(countersigned), file.name), (len(countersigned) - len(signed), home.public_key.name))
    what = "receipts are not signed with the private half of this key and were left out"
    return signed, [warning(f"{count} {what}", file=name) for count, name in counts if count]


def _say_verdict(verdict: Verdict, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(verdict.to_dict(), indent=2, ensure_ascii=False))
        return
    for problem in verdict.problems:
        show(problem)
    if verdict.ok:
        say(f"{verdict.entries} entries as written, the first {verdict.countersigned} as the coordinator countersigned")


def _show(sections: list[Section], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([section.to_dict() for section in sections], indent=2, ensure_ascii=False))
        return
    for section in sections:
        message = Column("message", no_wrap=True)
        table = Table("entry", "time", "", message, "what it held", "masked among", title=_title(section))
        for row in section.rows:
            hidden = f"{row.smallest_group} sites" if row.smallest_group else ""
            holds = escape("\n".join(row.holds))
            table.add_row(str(row.number), row.time, row.way, row.message, holds, hidden)
        console.print(table)


def _title(section: Section) -> str:
    settings = f"settings {section.study[:12] or 'unknown'}" + " (the site's own copy)" * section.agreed
    code = f"code {section.code[:12] or 'unknown'}"
    rosters = [f"roster {roster[:12]}" for roster in section.rosters]
    return ", ".join([*(f"to {name}" for name in section.coordinators), settings, code, *rosters])


def _export(home: Home, config: SiteConfig, log: Log, verdict: Verdict, to: Path) -> None:
    sections = sections_of(log.entries(), approvals(home))
    if to.suffix == ".json":
        content = {
            "site": config.name,
            "verified": verdict.to_dict(),
            "sections": [each.to_dict() for each in sections],
        }
        text = json.dumps(content, indent=2, ensure_ascii=False)
    else:
        from client.audit.page import page_of

        last = kept_in(home.receipts)[-1:]
        text = page_of(config.name, sections, verdict, local(last[0].time) if last else "")
    write_atomically(to, text.encode())
    say(str(to))
    for problem in verdict.problems:
        show(problem)
