"""report.html and results.json of a study."""

import json
from pathlib import Path
from typing import Any

from modalities.core.files.atomic import write_atomically
from server.report import words
from server.report.facts import Facts
from server.report.measured import measured_in
from server.report.sections import sections_of
from strategies.report import page

_FOOTER = "Written by tessera-server from results.json, which holds every number shown here."


def write_report(facts: Facts, out: Path) -> tuple[Path, Path]:
    """Write both into a folder, which is made where it does not exist; their paths."""
    out.mkdir(parents=True, exist_ok=True)
    html, results = out / "report.html", out / "results.json"
    plain = facts.to_plain()
    write_atomically(results, json.dumps(plain, indent=2, sort_keys=True).encode())
    write_atomically(html, page_of(facts, plain).encode())
    return html, results


def page_of(facts: Facts, plain: dict[str, Any]) -> str:
    """The page."""
    task, measured = facts.federation.task, measured_in(facts.evaluation)
    is_measured = bool(facts.evaluation)
    body = (
        page.environment(Path(__file__).parent)
        .get_template("report.html.j2")
        .render(
            summary=words.summary(facts, measured) if is_measured else [],
            why_not=facts.why_not,
            limits=words.limits(facts, measured) if is_measured else "",
            cards=words.cards(facts, measured) if is_measured else [],
            headline=measured.headline,
            on=measured.on,
            sections=sections_of(facts, measured),
            protocol=_protocol(plain),
            settings=plain["settings"],
        )
    )
    lead = f"Classes: {', '.join(task.classes)}. Modalities: {', '.join(facts.federation.modalities)}."
    return page.page_of(body, title=task.name, lead=lead, footer=_FOOTER, made=_made(facts))


def _made(facts: Facts) -> dict[str, str]:
    return {"date": f"last step {facts.date}"} if facts.date else {}


def _protocol(plain: dict[str, Any]) -> dict[str, Any]:
    study = plain["study"]
    rounds = ", ".join(f"{name} {n}" for name, n in study["rounds"].items())
    epsilon = f"{study['epsilon']:g}" if study["epsilon"] else "none"
    versions = {f"{name}, on this machine": found for name, found in plain["versions"].items()}
    return {
        "digest of the settings": plain["config_digest"],
        "masked sums": study["masking"],
        "epsilon": epsilon,
        "rounds kept": rounds or "none",
        **versions,
    }
