"""HTML pages that need nothing else: one look, and no request leaves them."""

from typing import Any

import jinja2

STYLE = """\
body { font: 14px/1.4 system-ui, sans-serif; margin: 2em; color: #222 }
table { border-collapse: collapse } td, th { padding: .3em .7em; border-bottom: 1px solid #ddd; text-align: right }
th { text-align: left } .for { color: #17692c } .against { color: #a3261d }"""
_FRAME = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{{ title }}</title><style>
{{ style }}
</style></head><body>
"""


def page_of(template: str, title: str, *, style: str = "", **values: Any) -> str:
    """The page whose body is this template; `style` is CSS beside the common one."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    frame = environment.from_string(_FRAME).render(title=title, style=f"{STYLE}\n{style}".strip())
    return frame + environment.from_string(template).render(**values) + "</body></html>\n"
