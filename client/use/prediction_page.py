"""Predictions as one HTML page that needs nothing else: what the model says of each case, how sure it is, and why."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from client.use.predictions import Predictions
from modalities.core import pages
from modalities.core.model.conformal import COVERAGE

_TEMPLATE = Path(__file__).with_name("predictions.html.j2")
_STYLE = """\
body { max-width: 90em; margin: 1.5em } h1 { margin-bottom: 0 } .research { font-weight: 600; margin-top: .2em }
dl { display: grid; grid-template-columns: 10em minmax(0, 1fr); gap: .3em 1em } dt { font-weight: 600 } dd { margin: 0 }
code { font-size: 12px } small, .muted { color: #666; font-weight: normal } li { margin: .2em 0 }
.wide { overflow-x: auto } table { font-variant-numeric: tabular-nums } thead th { vertical-align: bottom }
td.t, .classes td { text-align: left } .cases td.t { white-space: nowrap } .cases td, .cases th { padding: .3em .5em }
td.p { min-width: 4.5em } .classes { margin: 0 0 1em }
tbody th { white-space: nowrap }
.in { background: linear-gradient(to right, #bcd8f2 var(--p), transparent 0); font-weight: 600 }
.out { background: linear-gradient(to right, #ececec var(--p), transparent 0); color: #777 }
.open { color: #8a5a00 } .tag { background: #fdeecb; color: #6b4a00; border-radius: 3px; padding: 0 .35em;
font-size: 12px; font-weight: normal }
@media (max-width: 700px) { body { margin: .8em } dl { grid-template-columns: 1fr } dt { margin-top: .4em } }"""

_FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""With these a spreadsheet's formula begins."""


def write_predictions(found: Predictions, out: Path) -> tuple[Path, Path]:
    """predictions.csv and predictions.html."""
    out.mkdir(parents=True, exist_ok=True)
    table, page = out / "predictions.csv", out / "predictions.html"
    found.table().map(_inert).to_csv(table, index=False)
    page.write_text(page_of(found), encoding="utf-8")
    return table, page


def _inert(cell: object) -> object:
    """The cell, so that a spreadsheet shows it and does not calculate it: a hospital's ids may begin with any sign."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULAS) else cell


def page_of(found: Predictions) -> str:
    """The page."""
    table = found.table()
    records = table.astype(object).where(table.notna(), None).to_dict("records")
    rows = [{str(name): cell for name, cell in record.items()} for record in records]
    certain = [_certainty(row, found) for row in rows]
    return pages.page_of(
        _TEMPLATE.read_text(encoding="utf-8"),
        f"Predictions: {found.about.task}",
        style=_STYLE,
        about=found.about,
        rows=list(zip(rows, certain, strict=True)),
        classes=found.classes,
        modalities=found.modalities,
        prior=dict(zip(found.classes, found.prior.tolist(), strict=True)),
        counts={state: [kind for kind, _ in certain].count(state) for state in ("one", "open", "none", "no data")},
        has_sets=found.sets is not None,
        coverage=round(100 * COVERAGE),
        example=_example(rows, found),
        n_trained=len(found.trained & {*found.case_ids}),
        notes=found.notes,
        made=time.strftime("%Y-%m-%d"),
    )


def _certainty(row: dict[str, Any], found: Predictions) -> tuple[str, str]:
    """How far the case is settled, and that in words."""
    if not row["predicted"]:
        return "no data", "no data that the release can read"
    if found.sets is None:
        return "one", row["predicted"]
    names = row["set"].split("+") if row["set"] else []
    if not names:
        return "none", "no class: unlike the cases it learned from"
    if len(names) == len(found.classes):
        return "open", "any class: nothing is ruled out"
    if row["predicted"] not in names:
        return "open", f"{' or '.join(names)}, though {row['predicted']} is more probable"
    return ("one" if len(names) == 1 else "open"), " or ".join(names)


def _example(rows: list[dict[str, Any]], found: Predictions) -> str:
    """The contributions of the case with the most modalities, as a sentence."""
    order = np.argsort(-found.present.sum(axis=1), kind="stable")
    row = rows[int(order[0])] if len(order) else {}
    if not row.get("predicted"):
        return ""
    added = [(name, row[f"from_{name}"]) for name in found.modalities if row[f"from_{name}"] is not None]
    steps = ", ".join(f"{name} {'added' if own >= 0 else 'took away'} {abs(own):.2f}" for name, own in added)
    name, total = row["predicted"], row[f"p_{row['predicted']}"]
    return (
        f"{row['case_id']} would be {name} with probability {row['prior']:.2f} if nothing were known of it but the "
        f"study's share of that class; {steps}, which makes {total:.2f}"
    )
