"""Predictions as one HTML page that needs nothing else: each case's probabilities, and what each modality added."""

from collections.abc import Sequence

import pandas as pd

from modalities.core import pages


def page_of(table: pd.DataFrame, classes: Sequence[str], modalities: Sequence[str], notes: Sequence[str]) -> str:
    """The page of a table as `client.use.predict` makes it."""
    unknown = int((table["predicted"] == "").sum())
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    values = {"rows": rows, "classes": classes, "modalities": modalities, "notes": notes, "unknown": unknown}
    return pages.page_of(_PAGE, "Predictions", **values)


_PAGE = """\
<h1>Predictions</h1>
<p>{{ rows|length }} cases, {{ unknown }} of them without any data that the release can read. For research, not for \
diagnosis.</p>
<p>Known beforehand: the predicted class's share among the study's training cases. Behind it stands what each modality
added to that; together they are the predicted class's probability. Blank: the case lacks the modality.</p>
<table><thead><tr><th>case</th><th>predicted</th>{% for name in classes %}<th>{{ name }}</th>{% endfor %}\
<th>known beforehand</th>{% for name in modalities %}<th>{{ name }}</th>{% endfor %}</tr></thead><tbody>
{%- for row in rows %}
<tr><th>{{ row.case_id }}</th><td>{{ row.predicted or "no data" }}</td>
{%- for name in classes %}{% set p = row["p_" ~ name] %}{% if p is none %}<td></td>{% else %}\
<td style="background: linear-gradient(to right, #cfe3f5 {{ "%.1f"|format(100 * p) }}%, transparent 0)">\
{{ "%.3f"|format(p) }}</td>{% endif %}{% endfor %}
{%- if row.prior is none %}<td></td>{% else %}<td>{{ "%.3f"|format(row.prior) }}</td>{% endif %}
{%- for name in modalities %}{% set added = row["from_" ~ name] %}{% if added is none %}<td></td>{% else %}\
<td class="{{ "for" if added >= 0 else "against" }}">{{ "%+.3f"|format(added) }}</td>{% endif %}{% endfor %}</tr>
{%- endfor %}
</tbody></table>
<h2>Left out or filled in</h2><ul>{% for note in notes %}<li>{{ note }}</li>{% else %}<li>nothing</li>{% endfor %}</ul>
"""
