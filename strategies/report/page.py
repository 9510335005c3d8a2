"""The frame of a report: a page that needs nothing else, with its contents, and Jinja to write it in."""

import json
import re
from pathlib import Path
from typing import Any

import jinja2
import yaml

from modalities.core import pages
from strategies.report import words
from strategies.report.section import Section

_ROOM = Path(__file__).parent


def environment(*folders: Path) -> jinja2.Environment:
    """Jinja with everything escaped, and a missing name an error; templates of these folders, then of this one."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader([*folders, _ROOM]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "number": words.number,
        "signed": words.signed,
        "percent": words.percent,
        "interval": words.interval,
        "signed_interval": lambda estimate: words.interval(estimate, words.signed),
        "verdict": words.verdict,
        "set_label": words.set_label,
        "bytes": words.bytes_text,
        "seconds": words.seconds_text,
        "shade": shade,
        "yaml": yaml_text,
        "chance": words.chance,
    }
    return made


def page_of(body: str, *, title: str, lead: str, footer: str, made: words.Json | None = None) -> str:
    """The whole page around these sections; `made` has the date and the command line, where they are known."""
    values = {"title": title, "lead": lead, "footer": footer, "made": made or {}, "contents": contents(body)}
    framed = environment().get_template("page.html.j2").render(**values, body=body)
    return pages.framed(framed, f"Tessera report: {title}", (_ROOM / "style.css").read_text(encoding="utf-8"))


def sections_text(sections: list[Section]) -> str:
    """These sections as HTML."""
    return environment().get_template("sections.html.j2").render(sections=sections)


def contents(body: str) -> list[tuple[str, str]]:
    """Id and heading of every section that was written; the headings are escaped already."""
    return re.findall(r'<section[^>]* id="([\w-]+)">\s*<h2>([^<]+)</h2>', body)


def shade(part: words.Number, whole: words.Number) -> str:
    """A cell's background: the bluer, the larger its share of the whole."""
    share = (part or 0) / whole if whole else 0
    return f"background: rgba(11, 98, 176, {0.62 * min(share, 1):.2f})"


def yaml_text(value: Any) -> str:
    """Readable YAML of anything JSON can hold, plain lists on one line; paths and the like as their text."""
    plain = json.loads(json.dumps(value, default=str))
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100, default_flow_style=None)
