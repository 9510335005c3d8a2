"""A page of all slides: picture with mask and chosen tiles, and what became of each. It stays at the site."""

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

from modalities.slides.prepare.state import DONE, EXCLUDED, SlideState
from modalities.slides.reading.files import write_whole

_STYLE = """body{font:14px system-ui,sans-serif;margin:2em;color:#222}
main{display:grid;grid-template-columns:repeat(auto-fill,minmax(260px,1fr));gap:16px}
figure{margin:0;padding:8px;border:1px solid #ccc;border-radius:6px}figure.failed{border-color:#b00020}
figure.excluded{border-color:#b58900}img{max-width:100%;max-height:360px;display:block;margin:auto}
figcaption{margin-top:6px;overflow-wrap:anywhere}.reason{color:#b00020}.excluded .reason{color:#7a5c00}"""
_ORDER = {DONE: 2, EXCLUDED: 1}


def write_sheet(path: Path, site: str, states: Sequence[SlideState], cache: Path) -> None:
    """One HTML file, pictures inside, those that need a look first.

    Raises:
        CannotWriteError: the disk is full, or the folder cannot be written.
    """
    ordered = sorted(states, key=lambda state: (_ORDER.get(state.state, 0), state.slide, state.file))
    counts = ", ".join(
        f"{sum(state.state == kind for state in states)} {kind}" for kind in ("done", "excluded", "failed")
    )
    figures = "\n".join(_figure(state, cache) for state in ordered)
    write_whole(
        path,
        f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Slides of {escape(site)}</title><style>{_STYLE}</style></head>
<body><h1>Slides of {escape(site)}</h1>
<p>{counts}. Green: outline of the tissue mask. Blue: the chosen tiles. This page names slides: it stays
at the site.</p>
<main>
{figures}
</main></body></html>
""".encode(),
    )


def _figure(state: SlideState, cache: Path) -> str:
    picture = (cache / state.recipe / state.file).with_suffix(".jpg") if state.file else None
    image = ""
    if picture and picture.is_file():
        content = base64.b64encode(picture.read_bytes()).decode()
        image = f'<img alt="overview" src="data:image/jpeg;base64,{content}">'
    said = f"{state.n_tiles} tiles" if state.state == DONE else f'<span class="reason">{escape(state.reason)}</span>'
    return (
        f'<figure class="{escape(state.state)}">{image}<figcaption><b>{escape(state.slide)}</b>'
        f" ({escape(state.case_id or 'no case')})<br>{escape(state.state)}: {said}</figcaption></figure>"
    )
