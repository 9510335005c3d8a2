"""Writes the page of a check: what is there, what is wrong, how the numbers lie, and the slides."""

import base64
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from client.check.facts import by_holdings
from client.check.folder import SiteReport
from client.check.page.pictures import distribution
from modalities.core.files.atomic import write_atomically
from modalities.core.hooks import Quantity, RawFile
from modalities.core.problems import LEVELS
from strategies.report.page import environment, page_of
from strategies.report.section import Picture

MOST_PICTURES = 24
"""Histograms of a modality; its table has all numbers."""
MOST_SHOWN = 60
"""Slides that are used, with their picture; of the others all are shown. A picture takes about 30 kB."""
_FOOTER = (
    "Written by tessera-client at the site, from its own files. It names cases and slides: it stays at the site. "
    "Research software, not a medical device."
)
_HEADINGS = {"error": "Errors", "warning": "Warnings", "note": "Notes"}
_ROOM = Path(__file__).parent


@dataclass(frozen=True)
class Slide:
    """A raw file with its picture as a data URI, empty for none."""

    file: RawFile
    picture: str


def write_page(report: SiteReport, path: Path) -> Path:
    """Write the page, in a folder that is made where it does not exist; its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    counts = {level: sum(problem.level == level for problem in report.problems) for level in LEVELS}
    said = ", ".join(f"{count} {level}{'s' * (count != 1)}" for level, count in counts.items())
    body = (
        environment(_ROOM)
        .get_template("check.html.j2")
        .render(
            report=report,
            problems={_HEADINGS[level]: [p for p in report.problems if p.level == level] for level in LEVELS},
            holdings=by_holdings(report.cases),
            pictures={name: _pictures(own.quantities) for name, own in report.said.items()},
            slides={name: _slides(own.files) for name, own in report.said.items() if own.files},
        )
    )
    lead = f"{said}. {len(report.cases)} cases in cases.csv. This page names cases: it stays at the site."
    made = {"date": time.strftime("%Y-%m-%d %H:%M")}
    page = page_of(body, title=f"Check of {report.site}", lead=lead, footer=_FOOTER, made=made)
    write_atomically(path, page.encode())
    return path


def _pictures(quantities: Sequence[Quantity]) -> list[Picture]:
    """A histogram each of those that any case has, of many those with cases beyond what is plausible first."""
    held = [quantity for quantity in quantities if np.isfinite(quantity.values).any()]
    if len(held) > MOST_PICTURES:
        held = sorted(held, key=lambda quantity: not _is_beyond(quantity))[:MOST_PICTURES]
    return [Picture(distribution(one), f"{one.name} over the cases, the plausible range shaded.") for one in held]


def _is_beyond(quantity: Quantity) -> bool:
    known = quantity.values[np.isfinite(quantity.values)]
    return bool(((known < quantity.low) | (known > quantity.high)).any())


def _slides(files: Sequence[RawFile]) -> list[Slide]:
    """Those that need a look first; of the others only so many."""
    used = [file for file in files if not file.reason]
    return [Slide(file, _uri(file.picture)) for file in [*(one for one in files if one.reason), *used[:MOST_SHOWN]]]


def _uri(picture: Path | None) -> str:
    if picture is None:
        return ""
    return f"data:image/jpeg;base64,{base64.b64encode(picture.read_bytes()).decode()}"
