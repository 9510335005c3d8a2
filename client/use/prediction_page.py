"""Predictions as one HTML page that needs nothing else: each case's probabilities, and what each modality added."""

from collections.abc import Sequence
from html import escape
from string import Template
from typing import Any

import pandas as pd


def page_of(table: pd.DataFrame, classes: Sequence[str], modalities: Sequence[str], notes: Sequence[str]) -> str:
    """The page of a table as `client.use.predict` makes it."""
    heads = ["case", "predicted", *classes, "known beforehand", *modalities]
    rows = "\n".join(_row(row, classes, modalities) for row in table.to_dict("records"))
    return Template(_PAGE).substitute(
        heads="".join(f"<th>{escape(head)}</th>" for head in heads),
        rows=rows,
        n=len(table),
        unknown=int((table["predicted"] == "").sum()),
        notes="".join(f"<li>{escape(note)}</li>" for note in notes) or "<li>nothing</li>",
    )


def _row(row: dict[Any, Any], classes: Sequence[str], modalities: Sequence[str]) -> str:
    cells = [f"<th>{escape(str(row['case_id']))}</th>", f"<td>{escape(row['predicted']) or 'no data'}</td>"]
    cells += [_share(row[f"p_{name}"]) for name in classes]
    cells += [_number(row["prior"])] + [_signed(row[f"from_{name}"]) for name in modalities]
    return f"<tr>{''.join(cells)}</tr>"


def _share(value: float) -> str:
    """A probability with a bar as long as it."""
    if pd.isna(value):
        return "<td></td>"
    bar = f"linear-gradient(to right, #cfe3f5 {100 * value:.1f}%, transparent 0)"
    return f'<td style="background: {bar}">{value:.3f}</td>'


def _number(value: float) -> str:
    return "<td></td>" if pd.isna(value) else f"<td>{value:.3f}</td>"


def _signed(value: float) -> str:
    """What a modality added: for the prediction in green, against it in red."""
    if pd.isna(value):
        return "<td></td>"
    return f'<td class="{"for" if value >= 0 else "against"}">{value:+.3f}</td>'


_PAGE = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Predictions</title><style>
body { font: 14px/1.4 system-ui, sans-serif; margin: 2em; color: #222 }
table { border-collapse: collapse } td, th { padding: .3em .7em; border-bottom: 1px solid #ddd; text-align: right }
th { text-align: left } .for { color: #17692c } .against { color: #a3261d }
</style></head><body>
<h1>Predictions</h1>
<p>$n cases, $unknown of them without any data that the release can read. For research, not for diagnosis.</p>
<p>Known beforehand: the predicted class's share among the study's training cases. Behind it stands what each modality
added to that; together they are the predicted class's probability. Blank: the case lacks the modality.</p>
<table><thead><tr>$heads</tr></thead><tbody>
$rows
</tbody></table>
<h2>Left out or filled in</h2><ul>$notes</ul>
</body></html>
"""
