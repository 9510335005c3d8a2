"""The page of a site's own report."""

import time
from pathlib import Path

from client.report.scores import Here
from client.report.sections import sections_of
from modalities.core.files.atomic import write_atomically
from strategies.report.page import page_of, sections_text

_FOOTER = (
    "Written by tessera-client at the site, from its own cases. It names cases: it stays at the site. Research "
    "software, not a medical device."
)


def write_report(here: Here, out: Path) -> Path:
    """Write report.html into a folder, which is made where it does not exist; its path."""
    out.mkdir(parents=True, exist_ok=True)
    task, n = here.federation.task, len(here.case_ids)
    lead = f"{task.name} at {here.site}: {n} {here.on}. Classes: {', '.join(task.classes)}."
    title, made = f"How good is it at {here.site}?", {"date": time.strftime("%Y-%m-%d")}
    page = page_of(sections_text(sections_of(here)), title=title, lead=lead, footer=_FOOTER, made=made)
    path = out / "report.html"
    write_atomically(path, page.encode())
    return path
