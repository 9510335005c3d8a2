"""A page of all slides: picture with mask and chosen tiles, and what became of each. It stays at the site."""

import base64
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import jinja2

from modalities.slides.prepare.state import DONE, EXCLUDED, SlideState
from modalities.slides.reading.files import write_whole

_ORDER = {DONE: 2, EXCLUDED: 1}


def write_sheet(path: Path, site: str, states: Sequence[SlideState], cache: Path) -> None:
    """One HTML file, pictures inside, those that need a look first.

    Raises:
        CannotWriteError: the disk is full, or the folder cannot be written.
    """
    ordered = sorted(states, key=lambda state: (_ORDER.get(state.state, 0), state.slide, state.file))
    slides = [(state, _picture(state, cache)) for state in ordered]
    page = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(_PAGE)
    counts = Counter(state.state for state in states)
    write_whole(path, page.render(site=site, slides=slides, counts=counts, done=DONE).encode())


def _picture(state: SlideState, cache: Path) -> str:
    """The slide's overview in base64; empty where there is none."""
    path = (cache / state.recipe / state.file).with_suffix(".jpg") if state.file else None
    return base64.b64encode(path.read_bytes()).decode() if path and path.is_file() else ""


_PAGE = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Slides of {{ site }}</title><style>
body{font:14px system-ui,sans-serif;margin:2em;color:#222}
main{display:grid;grid-template-columns:repeat(auto-fill,minmax(260px,1fr));gap:16px}
figure{margin:0;padding:8px;border:1px solid #ccc;border-radius:6px}figure.failed{border-color:#b00020}
figure.excluded{border-color:#b58900}img{max-width:100%;max-height:360px;display:block;margin:auto}
figcaption{margin-top:6px;overflow-wrap:anywhere}.reason{color:#b00020}.excluded .reason{color:#7a5c00}
</style></head><body><h1>Slides of {{ site }}</h1>
<p>{% for kind in ("done", "excluded", "failed") %}{{ counts[kind] }} {{ kind }}{{ ", " if not loop.last }}{% endfor %}.
Green: outline of the tissue mask. Blue: the chosen tiles. This page names slides: it stays at the site.</p>
<main>
{%- for slide, picture in slides %}
<figure class="{{ slide.state }}">
{%- if picture %}<img alt="overview" src="data:image/jpeg;base64,{{ picture }}">{% endif -%}
<figcaption><b>{{ slide.slide }}</b> ({{ slide.case_id or "no case" }})<br>{{ slide.state }}: \
{% if slide.state == done %}{{ slide.n_tiles }} tiles\
{% else %}<span class="reason">{{ slide.reason }}</span>{% endif %}</figcaption></figure>
{%- endfor %}
</main></body></html>
"""
