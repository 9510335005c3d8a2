"""The audit log as a page for a data protection officer: what left, when, to whom, under what, hidden among whom."""

import time
from collections.abc import Sequence
from pathlib import Path

from client.audit.verify import Verdict
from client.audit.view import Section
from modalities.core import pages

_TEMPLATE = Path(__file__).with_name("page.html.j2")
_STYLE = """\
body { max-width: 80em } td, th { text-align: left; vertical-align: top; font-weight: normal }
td.n { text-align: right } thead th, dt { font-weight: 600 } small { color: #555 }
code { font-size: 12px; overflow-wrap: anywhere }
dl { display: grid; grid-template-columns: 14em 1fr; gap: .3em 1em } dd { margin: 0 } details td { font-size: 12.5px }
.good { color: #17692c } .bad { color: #a3261d } .came, .note { color: #777 } summary { cursor: pointer; margin: 1em 0 }
section { border-top: 2px solid #ddd; margin-top: 2em } td.t { white-space: nowrap }"""


def page_of(site: str, sections: Sequence[Section], verdict: Verdict, last_receipt: str) -> str:
    """One HTML page; `last_receipt` is when the coordinator countersigned last, empty where it never did."""
    times = [row.time for section in sections for row in section.rows if row.way != "note"]
    return pages.page_of(
        _TEMPLATE.read_text(encoding="utf-8"),
        f"Audit log of {site}",
        style=_STYLE,
        site=site,
        sections=sections,
        verdict=verdict,
        last_receipt=last_receipt,
        begin=min(times, default="no time"),
        end=max(times, default="no time"),
        n_left=sum(len(section.left) for section in sections),
        made=time.strftime("%Y-%m-%d %H:%M:%S"),
        zone=time.strftime("%Z"),
    )
