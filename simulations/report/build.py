"""results.json and the predictions behind it -> report.html and report_summary.png."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from simulations.report import curves, detail, overview, words
from simulations.report.names import with_site_names
from simulations.report.sections import sections_of
from simulations.scores.results import Json
from strategies.report import page
from strategies.report.look import ARM_LOOKS, STYLE, svg_uri
from strategies.report.many import spread
from strategies.report.section import Table
from strategies.report.words import chance, interval, number, signed

METRICS = {
    "macro_auroc": "Macro-AUROC",
    "balanced_accuracy": "Balanced accuracy",
    "accuracy": "Accuracy",
    "macro_f1": "Macro-F1",
    "ece": "ECE",
}
_FOOTER = "Written by tessera-simulate from results.json, which holds every number shown here."
_OPTIONAL = (
    *("differences", "subsets", "external", "external_differences", "external_by_site", "site_by_class"),
    *("site_by_modality", "bytes", "seconds", "protocol"),
)


def write_report(results: Json, predictions: pd.DataFrame, out: Path) -> Path:
    """Write report.html (self-contained, no script) and report_summary.png into a folder.

    Args:
        results: what `simulations.scores.compare.compare` gives; a missing or empty part leaves its section out.
        predictions: the table `compare` was given, for the ROC curves and the reliability diagram.
        out: a folder; made where it does not exist.

    Returns:
        The path of report.html.
    """
    out.mkdir(parents=True, exist_ok=True)
    results = with_site_names(results)
    summary = overview.forest(results, title=f"{results['task']['name']}: every arm on the same test cases")
    if summary:
        with mpl.rc_context(STYLE):
            summary.savefig(out / "report_summary.png", dpi=160, facecolor="white")
    body = environment().get_template("template.html.j2").render(context(results, predictions))
    task, made = results["task"], results.get("made")
    path = out / "report.html"
    path.write_text(
        page.page_of(body, title=task["name"], lead=lead(task), footer=_FOOTER, made=made), encoding="utf-8"
    )
    return path


def write_study(results: Json, title: str, lead: str, out: Path) -> Path:
    """Write report.html of a study that has no arms of its own: only the sections that its results fill.

    Args:
        results: what the study found; each section looks for its own key.
        title: the page's heading.
        lead: what was run, in a sentence or two.
        out: a folder; made where it does not exist.

    Returns:
        The path of report.html.
    """
    out.mkdir(parents=True, exist_ok=True)
    body, made = page.sections_text(sections_of(results)), results.get("made")
    path = out / "report.html"
    path.write_text(page.page_of(body, title=title, lead=lead, footer=_FOOTER, made=made), encoding="utf-8")
    return path


def environment() -> jinja2.Environment:
    """The reports' Jinja, with what only this template asks."""
    made = page.environment(Path(__file__).parent)
    made.filters |= {"equivalence": words.tested, "total": lambda row: sum(row.values())}
    made.tests["tested"] = words.tested
    made.tests["holds"] = lambda arm, arms, name: name in arms[arm]
    return made


def lead(task: Json) -> str:
    """What was predicted from what, below the title."""
    dropped = [f"{n} cases labelled {label or '(blank)'}" for label, n in (task.get("dropped") or {}).items()]
    left_out = f" Left out: {', '.join(dropped)}." if dropped else ""
    return f"Classes: {', '.join(task['classes'])}. Modalities: {', '.join(task['modalities'])}.{left_out}"


def context(results: Json, predictions: pd.DataFrame) -> dict[str, Any]:
    """Everything the template names."""
    parts = {name: results.get(name) or {} for name in _OPTIONAL}
    return {
        **parts,
        "task": results["task"],
        "names": results.get("site_names") or {},
        "sections": sections_of(results),
        "arms": results["arms"],
        "labels": {arm: look.label for arm, look in ARM_LOOKS.items()},
        "metrics": METRICS,
        "sets": words.sets_of(results),
        "external_sets": words.sets_of(results, "external"),
        "external_headline": words.external_headline(results),
        "lacks": words.lacks(results.get("external_lacks") or {}),
        "never_found": words.never_found(results),
        "headline": words.headline(results),
        "summary": words.summary(results),
        "limits": words.limits(results),
        "still_falling": words.still_falling(results),
        "left_out": words.left_out(results.get("external_left_out") or {}),
        "cards": cards(results),
        "partly_scored": partly_scored(results),
        "trained_alone": words.trained_alone(results),
        "spreads": spreads(parts),
        "pictures": pictures(results, predictions),
        "traffic_columns": _columns(parts["bytes"]),
        "seconds_rows": {key: one for key, one in flat(parts["seconds"]).items() if isinstance(one, int | float)},
        "protocol_rows": {key: one for key, one in parts["protocol"].items() if not isinstance(one, Mapping | list)},
        "protocol_rest": {key: one for key, one in parts["protocol"].items() if isinstance(one, Mapping | list)},
    }


def partly_scored(results: Json) -> bool:
    """Whether some site has no prediction for part of the headline SET: it was held out there."""
    name, local = words.headline(results), results["arms"].get("local", {})
    each = [sets[name]["n"] for sets in local.get("sites", {}).values() if name in sets]
    return any(n < local[name]["n"] for n in each)


def spreads(parts: Mapping[str, Json]) -> dict[str, Table | None]:
    """What the tables by site come to over many sites; None where each site is shown by itself."""
    cases = {name: _by_column(parts[name]) for name in ("site_by_class", "site_by_modality")}
    traffic: Json = {
        f"{way}, MB": [sum(own.get(way, 0) for own in row.values()) / 1e6 for row in parts["bytes"].values()]
        for way in ("up", "down")
    }
    return {name: spread(each, "", 0) for name, each in cases.items()} | {"bytes": spread(traffic, "", 2)}


def _by_column(rows: Json) -> dict[str, list[int]]:
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    return {name: [row.get(name, 0) for row in rows.values()] for name in columns}


def cards(results: Json) -> list[dict[str, str]]:
    """The key figures: what, how much, and its interval."""
    federated = results["arms"].get("federated", {}).get(words.headline(results), {})
    found = [
        {
            "what": f"Federated {title.lower() if title != 'Macro-AUROC' else 'macro-AUROC'}",
            "value": number(federated[metric]["value"]),
            "interval": interval(federated[metric]),
        }
        for metric, title in list(METRICS.items())[:3]
        if metric in federated
    ]
    gaps = {
        "federated-centralised": "Macro-AUROC against pooling",
        "federated-local": "Macro-AUROC against a site alone (mean)",
        "federated-best_local": "Macro-AUROC against the best single site",
    }
    for pair, what in gaps.items():
        if gap := words.difference(results, pair):
            text = interval(gap, signed)
            found.append({"what": what, "value": signed(gap["value"]), "interval": text})
    if tested := words.equivalence(results):
        ends = f"90 % interval {interval(tested, signed)}, {chance(tested['p'])}"
        what = f"Equivalent to pooling, margin {tested['margin']:g}?"
        found.append({"what": what, "value": tested["verdict"].capitalize(), "interval": ends})
    return found


def pictures(results: Json, predictions: pd.DataFrame) -> dict[str, str]:
    """Data URIs by name."""
    return {name: svg_uri(figure) for name, figure in figures(results, predictions).items()}


def figures(results: Json, predictions: pd.DataFrame) -> dict[str, Figure]:
    """The report's own pictures by name; one with nothing to show is left out."""
    both = detail.scored(results, predictions)
    drawn: dict[str, Figure | None] = {
        "forest": overview.forest(results),
        "curves": curves.curves(results),
        "confusion": detail.confusion(results),
        "roc": detail.roc(both, results["task"]["classes"]),
        "recall": detail.recall(results),
        "sites": overview.local_sites(results),
        "reliability": None if results.get("calibration") else detail.reliability(both, results),
    }
    if results.get("external"):
        drawn["external"] = overview.forest(results, arms="external")
        drawn["external_recall"] = detail.recall(results, words.external_headline(results), "external")
    return {name: figure for name, figure in drawn.items() if figure}


def flat(nested: Json, before: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} -> {"a, b": 1}."""
    result: dict[str, Any] = {}
    for key, one in nested.items():
        result |= flat(one, f"{before}{key}, ") if isinstance(one, Mapping) else {f"{before}{key}": one}
    return result


def _columns(traffic: Json) -> list[str]:
    """The modalities (and fusion) any site sent or received, in the order they first appear."""
    return list(dict.fromkeys(name for site in traffic.values() for name in site))
