"""Every line of a log has its time and level, no text can forge one, and no file of them grows without bound."""

import json
import logging
import os
import re
import socket
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from modalities.core import logs
from modalities.core.console import logged, say, say_inside, show
from modalities.core.logs import log_open, plain, tell, teller
from modalities.core.problems import Problem, warning

LINE = re.compile(r"(\S+) (INFO|WARNING|ERROR) +(\S+): (.*)")


def lines_of(path):
    """Level, program and text of each line; its time must be one with an offset."""
    found = [LINE.fullmatch(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert all(datetime.fromisoformat(line[1]).utcoffset() is not None for line in found)
    return [line.groups()[1:] for line in found]


def test_what_a_command_and_its_programs_say_is_in_one_file_with_time_and_level(tmp_path, capsys):
    with logged("join", tmp_path / "site.log"):
        say("connected")
        teller("supernode")(logging.WARNING, "case 4711 is odd")
        show(warning("the certificate ends soon"))
        show(Problem("no key"))
        logging.getLogger("httpx").warning("of a library")
    assert lines_of(tmp_path / "site.log") == [
        ("INFO", "join", "connected"),
        ("WARNING", "supernode", "case 4711 is odd"),
        ("WARNING", "join", "the certificate ends soon"),
        ("ERROR", "join", "no key"),
        ("WARNING", "httpx", "of a library"),
    ]
    said = [LINE.fullmatch(line).groups()[1:] for line in capsys.readouterr().out.splitlines()]
    assert [text for *_, text in said] == ["connected", "the certificate ends soon", "no key"]
    say("after it")
    assert capsys.readouterr().out == "after it\n"
    assert len(lines_of(tmp_path / "site.log")) == 5


def test_why_a_command_ended_is_in_its_log(tmp_path):
    file = tmp_path / "site.log"
    with pytest.raises(RuntimeError), logged("join", file):  # typer's Exit is one
        raise ValueError("no ca.crt")
    with pytest.raises(KeyError), logged("join", file):
        raise KeyError("a fault of the program")
    (level, _, text), *more = lines_of(file)
    assert (level, text) == ("ERROR", "no ca.crt")
    assert {level for level, *_ in more} == {"ERROR"}
    assert more[0][2] == "Traceback (most recent call last):"
    assert more[-1][2].startswith("| KeyError")


def test_no_name_begins_a_line_or_acts_on_a_terminal(tmp_path):
    with log_open("start", tmp_path / "log"):
        tell(logging.INFO, "site \x1b[2Ja\r2026-01-01T00:00:00+00:00 ERROR start: forged\u2028\x85\u202eabc")
        tell(logging.INFO, "two\n2026-01-01T00:00:00.000+00:00 ERROR start: forged")
    whole = (tmp_path / "log").read_text(encoding="utf-8")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]", whole)
    assert [level for level, *_ in lines_of(tmp_path / "log")] == ["INFO"] * 3
    assert lines_of(tmp_path / "log")[2][2].startswith("| 2026-01-01")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Žižkov, Łódź, 東京, naïve 🙂", "Žižkov, Łódź, 東京, naïve 🙂"),
        ("a\x1bb\x00\x7f\x9b", "a\\x1bb\\x00\\x7f\\x9b"),
        ("\u202e\u2066\ud800", "\\u202e\\u2066\\ud800"),
        ("a\nb\tc", "a\\x0ab\\x09c"),
    ],
)
def test_letters_of_every_script_stay_and_what_is_no_letter_is_seen(text, shown):
    assert plain(text) == shown


def test_as_json_every_line_is_an_object(tmp_path, capsys):
    with log_open("join", tmp_path / "log", as_json=True):
        tell(logging.ERROR, 'a "quoted"\nand a second line', inside=False)
        teller("supernode")(logging.INFO, "from a program")
    first, second = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert datetime.fromisoformat(first.pop("time")).utcoffset() is not None
    assert first == {"level": "error", "program": "join", "text": 'a "quoted"\nand a second line'}
    assert (second["program"], second["level"]) == ("supernode", "info")
    (shown,) = capsys.readouterr().out.splitlines()
    assert json.loads(shown)["text"] == first["text"]


def test_a_file_never_grows_beyond_its_bound_and_no_line_of_the_last_ones_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "MOST_BYTES", 1000)
    with log_open("join", tmp_path / "log"):
        for number in range(200):
            tell(logging.INFO, f"line {number}")
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["log", *(f"log.{number}" for number in range(1, 6))]
    assert all(file.stat().st_size <= 1000 for file in files)
    kept = [text for file in [*files[:0:-1], files[0]] for *_, text in lines_of(file)]
    assert kept == [f"line {number}" for number in range(200 - len(kept), 200)]
    assert len(kept) > 80


def test_a_file_that_somebody_moved_away_is_begun_anew(tmp_path):
    with log_open("join", tmp_path / "log"):
        tell(logging.INFO, "before")
        (tmp_path / "log").rename(tmp_path / "moved")
        tell(logging.INFO, "after")
    assert [text for *_, text in lines_of(tmp_path / "moved")] == ["before"]
    assert [text for *_, text in lines_of(tmp_path / "log")] == ["after"]


def test_a_full_disk_ends_nothing(capsys):
    with log_open("join", Path("/dev/full")):
        for _ in range(3):
            tell(logging.INFO, "goes on")
    assert capsys.readouterr().out.count("goes on") == 3


def test_syslog_and_the_journal_have_nothing_that_may_name_a_case(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
        syslog.bind(str(tmp_path / "s"))
        syslog.settimeout(5)
        with logged("join", tmp_path / "log", syslog=str(tmp_path / "s")):
            say_inside("the request failed: case 4711 has no label")
            teller("fork-server")(logging.ERROR, "case 4711")
            show(warning("told to all"))
        got = syslog.recv(4096).decode()
    assert got == f"<28>tessera-join[{os.getpid()}]: told to all"  # daemon is 3, a warning 4: 3 * 8 + 4
    shown = capsys.readouterr().out
    assert "told to all" in shown
    assert "4711" not in shown
    assert (tmp_path / "log").read_text().count("4711") == 2


def test_a_syslog_that_is_not_there_is_said(tmp_path):
    wanted = r"--syslog /nowhere: nothing takes messages there .*; name a socket, such as /dev/log, or host:port"
    with pytest.raises(ValueError, match=wanted), log_open("join", None, syslog="/nowhere"):
        pass
    assert not logs.is_open()


def test_what_a_person_at_a_terminal_reads_has_no_time(tmp_path):
    """In a terminal of its own, which this test is not: `script` gives the command one."""
    code = (
        "from pathlib import Path; from modalities.core.console import logged, say\n"
        f"with logged('join', Path({str(tmp_path / 'log')!r})): say('connected [bold]')"
    )
    command = f"{sys.executable} -c {_quoted(code)}"
    done = subprocess.run(
        ["script", "-qec", command, "/dev/null"], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "connected [bold]"
    assert lines_of(tmp_path / "log") == [("INFO", "join", "connected [bold]")]


def _quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"
