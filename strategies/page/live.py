"""A page of sections that is brought up to date as the files change that it is made from."""

import asyncio
import json
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse

from modalities.core.logs import plain
from modalities.core.problems import problems_of
from strategies.report.page import environment
from strategies.report.section import Section

_ROOM = Path(__file__).parent
_LOOK_S, _LONGEST_S = 0.5, 5.0
"""So often the files are looked at; and so old a picture of what no file tells (disk, who runs) may be."""
_MOST_STREAMS = 8
Make = Callable[[str, str], Section]
"""Of its id and title."""


@dataclass(frozen=True)
class Shown:
    """What a page shows."""

    title: str
    lead: str
    """What it is, in a sentence."""
    sections: Mapping[str, tuple[str, Make]]
    """Id -> title and how the section is made; a source that cannot be read is said in the section itself."""
    news: Callable[[], str]
    """How things stand in one line: read out where it has changed."""
    files: Callable[[], Iterable[Path]]
    """What it is made from."""


@dataclass(frozen=True)
class Picture:
    """The page at one moment."""

    news: str
    parts: Mapping[str, str]
    """Id -> HTML of the section, its heading left out."""
    time: str
    """By this machine's clock."""


class Live:
    """A page and its stream of changes; whoever asks at the same time gets the same picture."""

    def __init__(self, shown: Shown, is_ending: Callable[[], bool] = lambda: False) -> None:
        """`is_ending` says that the command is told to end: its streams end then, and it need not wait for them."""
        self.shown, self._is_ending = shown, is_ending
        self._templates = environment(_ROOM)
        self._templates.finalize = _harmless
        self._lock, self._streams = threading.Lock(), 0
        self._picture: Picture | None = None
        self._stamp, self._made = (), 0.0

    def app(self) -> FastAPI:
        """The page at `/`, its changes at `/changes`, and nothing else."""
        made = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
        made.add_api_route("/", self._page, response_class=HTMLResponse)
        made.add_api_route("/changes", self._changes, response_class=Response)
        return made

    def picture(self) -> Picture:
        """How it is now."""
        with self._lock:
            stamp, now = tuple(map(_stamp_of, self.shown.files())), time.monotonic()
            if self._picture is None or stamp != self._stamp or now > self._made + _LONGEST_S:
                self._stamp, self._made, self._picture = stamp, now, self._drawn()
            return self._picture

    def _drawn(self) -> Picture:
        template = self._templates.get_template("section.html.j2")
        made = {name: _made(name, *each) for name, each in self.shown.sections.items()}
        parts = {name: template.render(section=section) for name, section in made.items()}
        try:
            news = self.shown.news()
        except _UNREADABLE:
            news = "something cannot be read: see below"
        return Picture(plain(news), parts, time.strftime("%H:%M:%S"))

    async def _page(self) -> Response:
        picture, nonce = await run_in_threadpool(self.picture), secrets.token_urlsafe(16)
        text = self._templates.get_template("live.html.j2").render(
            shown=self.shown, picture=picture, nonce=nonce, look_s=round(_LONGEST_S)
        )
        allowed = f"script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; img-src data:"
        closed = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        return HTMLResponse(text, headers={"content-security-policy": f"{closed}; {allowed}"})

    async def _changes(self) -> Response:
        if self._streams >= _MOST_STREAMS:
            return PlainTextResponse("too many pages are open", 429, {"retry-after": "5"})
        return StreamingResponse(self._events(), media_type="text/event-stream")

    async def _events(self) -> AsyncIterator[str]:
        self._streams += 1
        try:
            before: Mapping[str, str] = {}
            last: Picture | None = None
            while not self._is_ending():
                picture = await run_in_threadpool(self.picture)
                if picture is not last:
                    parts = {name: html for name, html in picture.parts.items() if before.get(name) != html}
                    event = {"news": picture.news, "time": picture.time, "parts": parts}
                    yield f"data: {json.dumps(event)}\n\n"
                    before, last = picture.parts, picture
                await asyncio.sleep(_LOOK_S)
        finally:
            self._streams -= 1


_UNREADABLE = (OSError, ValueError, LookupError, TypeError, AttributeError)
"""What a file that is damaged, or that this user may not read, ends in."""


def _made(name: str, title: str, make: Make) -> Section:
    try:
        return make(name, title)
    except _UNREADABLE as error:
        said = problems_of(error) if isinstance(error, ValueError) else [repr(error)]
        return Section(name, title, "", alerts=tuple(f"cannot be shown: {each}" for each in said))


def _stamp_of(path: Path) -> tuple[int, int, int] | None:
    """Changes with what is in the file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _harmless(value: Any) -> Any:
    """Text in which no character acts: what turns the direction of writing can make a name look like another."""
    return plain(value) if type(value) is str else value
