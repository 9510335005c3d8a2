"""What stands on a live page, and that it follows its files."""

import json
import threading
import time
from dataclasses import dataclass, field
from html.parser import HTMLParser

import pytest

from modalities.core.problems import unusable
from strategies.page.live import Live, Shown
from strategies.page.serve import listening_on
from strategies.report.curve import Curve, Trace
from strategies.report.section import Section, Table
from tests.strategies.page.served import everything_below, served

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def page(tmp_path):
    """Shows the words in two files; the second may be absent, or be no number."""
    (tmp_path / "a").write_text("north")
    return page_of(tmp_path)


def page_of(folder):
    def names(name, title):
        rows = tuple((word, "7") for word in (folder / "a").read_text().split("|"))
        return Section(name, title, "Read <it>.", tables=(Table(("site", "cases"), rows, "Sites"),))

    def number(name, title):
        if not (folder / "b").is_file():
            raise unusable("no number yet", "wait", file="b")
        return Section(name, title, "", facts=(("number", f"{float((folder / 'b').read_text()):g}"),))

    sections = {"names": ("Names & more", names), "number": ("Number", number)}
    return Shown("A <study>", "It stands.", sections, (folder / "a").read_text, lambda: [folder / "a", folder / "b"])


class Events:
    """The changes as a browser gets them, each with when it came."""

    def __init__(self, browser):
        self.got, self._there = [], threading.Condition()
        self._stream = browser.stream("GET", "/changes")
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        with self._stream as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    with self._there:
                        self.got.append((time.monotonic(), json.loads(line.removeprefix("data: "))))
                        self._there.notify_all()

    def wait_for(self, holds, seconds=20.0):
        """The first change for which this holds, and when it came."""
        with self._there:
            assert self._there.wait_for(lambda: any(holds(change) for _, change in self.got), seconds), self.got
            return next(each for each in self.got if holds(each[1]))


@dataclass
class Found(HTMLParser):
    """Tags with their attributes, and text, of a page that is closed properly."""

    html: str
    tags: list = field(default_factory=list)
    pieces: list = field(default_factory=list)

    def __post_init__(self):
        super().__init__()
        self._open = []
        self.feed(self.html)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link"):
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.pieces.append(data)

    @property
    def text(self):
        return " ".join(self.pieces)

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


def test_a_change_of_a_file_reaches_an_open_page_within_two_seconds_and_nothing_else_is_sent(page, tmp_path):
    with served(page) as here:
        events = Events(here.welcome())
        first = events.wait_for(lambda change: True)[1]
        assert [*first["parts"]] == ["names", "number"]
        (tmp_path / "a").write_text("north|south")
        changed = time.monotonic()
        came, change = events.wait_for(lambda change: change["news"] == "north|south")
        assert came - changed < 2
        assert [*change["parts"]] == ["names"]
        assert "south" in change["parts"]["names"]
        (tmp_path / "b").write_text("0.25")
        assert "0.25" in events.wait_for(lambda change: "0.25" in str(change["parts"]))[1]["parts"]["number"]


def test_an_open_page_does_not_keep_the_command_from_ending(page):
    with served(page) as here:
        events = Events(here.welcome())
        events.wait_for(lambda change: True)
        began = time.monotonic()
    assert time.monotonic() - began < 5


def test_a_source_that_cannot_be_read_is_said_where_it_would_stand_and_spoils_nothing_else(page, tmp_path):
    parts = Live(page).picture().parts
    assert '<p class="alert">cannot be shown: b: no number yet; wait</p>' in parts["number"]
    assert "north" in parts["names"]
    (tmp_path / "b").write_text("x")
    assert "cannot be shown: could not convert string to float" in Live(page).picture().parts["number"]
    (tmp_path / "a").unlink()
    assert Live(page).picture().news == "something cannot be read: see below"


IMAGE = '"><img src=x onerror=alert(1)>'


@pytest.mark.parametrize("planted", [SCRIPT, IMAGE, "</style></script>", "{{ 7 * 7 }}", "&lt;b&gt;"])
def test_a_name_is_text_wherever_it_stands(tmp_path, planted):
    (tmp_path / "a").write_text(planted)
    with served(page_of(tmp_path)) as here:
        browser = here.welcome()
        found = Found(browser.get("/").text)
        assert found.text.count(planted) == 2  # in its cell and in the news
        assert len(found.all("script")) == len(found.all("style")) == 1
        assert not found.all("img")
        change = Events(browser).wait_for(lambda change: True)[1]
        assert change["news"] == planted  # which the page's script takes for text
        assert planted in Found(change["parts"]["names"]).text
        assert not Found(change["parts"]["names"]).all("script")


def test_what_turns_the_direction_of_writing_is_seen_and_does_not_act(tmp_path):
    (tmp_path / "a").write_text("site\u202egpj\x1b[2J\nb")
    with served(page_of(tmp_path)) as here:
        text = here.welcome().get("/").text
    assert r"site\u202egpj\x1b[2J\x0ab" in text
    assert "\u202e" not in text


def test_a_page_has_landmarks_headings_captions_and_a_region_that_is_read_out(page):
    with served(page) as here:
        found = Found(here.welcome().get("/").text)
    assert found.all("html") == [{"lang": "en"}]
    assert [len(found.all(tag)) for tag in ("header", "nav", "main", "footer", "h1")] == [1] * 5
    titles = [attrs["id"] for attrs in found.all("h2")]
    assert titles == [attrs["aria-labelledby"] for attrs in found.all("section")] == ["names-title", "number-title"]
    (news,) = [attrs for attrs in found.all("p") if attrs.get("role") == "status"]
    assert news["aria-live"] == "polite"
    assert len(found.all("caption")) == len(found.all("table")) == 1
    assert [attrs["scope"] for attrs in found.all("th")] == ["col", "col", "row"]
    (table,) = [attrs for attrs in found.all("div") if attrs.get("role") == "region"]
    assert (table["tabindex"], table["aria-label"]) == ("0", "Sites")  # a keyboard can move what is wider than a phone
    assert [attrs["href"] for attrs in found.all("a")] == ["#main", "#names", "#number"]


def test_without_a_script_the_page_loads_itself_again_and_asks_nobody_else_for_anything(page):
    with served(page) as here:
        text = here.welcome().get("/").text
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in text
    found = Found(text)
    assert [attrs["href"] for attrs in found.all("link")] == ["data:,"]
    assert not [attrs for _, attrs in found.tags if {"src", "style", "onclick", "action"} & {*attrs}]
    assert "http://" not in text
    assert "https://" not in text


def test_a_page_writes_nothing(page, tmp_path):
    before = everything_below(tmp_path)
    with served(page) as here:
        Events(here.welcome()).wait_for(lambda change: True)
    assert everything_below(tmp_path) == before


def test_a_curve_is_drawn_between_its_extremes_and_says_them():
    held_out, training = Trace("held out", ((0, 1.5), (2, 0.5), (4, 0.7))), Trace("training", ((1, 1.0),))
    curve = Curve("cnv", (held_out, training))
    assert curve.paths == ["M50.0 10.0L180.0 146.0L310.0 118.8L310.0 118.8", "M115.0 78.0L115.0 78.0"]
    assert curve.heights == [(146.0, "0.5"), (78.0, "1"), (10.0, "1.5")]
    assert curve.rounds == [(50.0, "0"), (180.0, "2"), (310.0, "4")]
    assert curve.said == ("held out: 1.5 in round 0, 0.7 in round 4, lowest 0.5 in round 2. training: 1 in round 1.")


def test_a_curve_of_one_value_lies_in_the_middle():
    curve = Curve("cnv", (Trace("held out", ((3, 20.0),)),))
    assert curve.paths == ["M50.0 78.0L50.0 78.0"]
    assert [text for _, text in curve.heights] == ["18", "20", "22"]


def test_a_port_that_is_taken_is_said_with_what_to_do():
    with listening_on(0) as taken, pytest.raises(ValueError, match=r"already in use; give another with --port$"):
        listening_on(taken.getsockname()[1])
