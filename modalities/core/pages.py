"""HTML pages that need nothing else: one look, and no request leaves them."""

from typing import Any

import jinja2

STYLE = """\
body { font: 14px/1.4 system-ui, sans-serif; margin: 2em; color: #222 }
table { border-collapse: collapse } td, th { padding: .3em .7em; border-bottom: 1px solid #ddd; text-align: right }
th { text-align: left } .for { color: #17692c } .against { color: #a3261d }"""
_FRAME = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>{{ title }}</title><style>
{{ style|safe }}
</style></head><body>
"""


def page_of(template: str, title: str, *, style: str = "", **values: Any) -> str:
    """The page whose body is this template; `style` is CSS beside the common one."""
    body = _environment().from_string(template).render(**values)
    return framed(body, title, f"{STYLE}\n{style}".strip())


def framed(body: str, title: str, style: str) -> str:
    """The page around a body that is HTML already, in this CSS and no other."""
    return _environment().from_string(_FRAME).render(title=title, style=style) + body + "</body></html>\n"


def _environment() -> jinja2.Environment:
    return jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
