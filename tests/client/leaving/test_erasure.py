"""What a site kept of a study is gone, its own data are as they were, and a signed entry says what was erased."""

import fcntl
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from client.cli import app
from client.leaving.erasure import erase, kept_until
from modalities.core.files.atomic import write_json
from modalities.core.files.journal import add_line
from strategies.audit.statements import canonical
from tests.client.audit.logs import N_ENTRIES, Site, write_log

EVIDENCE = {"audit.jsonl", "audit.tree", "receipts.jsonl", "approved.json", "approved-roster.json"}
FOR_GOOD = {"node.key", "node.pub", "epsilon.jsonl", "noise.key", "join.lock"}
OF_THE_STUDY = {
    "prepared/cnv.1a2b": b"tensors" * 1000,
    "alone/model": b"own model",
    "answered/5c": b"cnv 77\n",
    "masks/ledger.jsonl": b"{}\n",
    "masks/deep/key": b"secret",
    "slides/features/a.h5": b"features",
    "flower/superlink.db": b"",
    "site.log": b"a case",
    "site.log.1": b"another case",
    "state.json": b"{}",
    "compared.json": b"{}",
}


@pytest.fixture
def home(tmp_path):
    """A site whose study is over, with its audit log, beside the data that it has."""
    home = write_log(tmp_path / "st_anna").home
    for name, content in OF_THE_STUDY.items():
        path = home.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    add_line(home.receipts, canonical(Site(home).receipts()[-1].to_dict()))
    for name in ("epsilon.jsonl", "noise.key", "approved-roster.json"):
        (home.folder / name).write_text("kept\n")
    for name in ("cases.csv", "cnv/data_cna.txt", "slides/1.svs", "pseudonyms.json"):
        (home.site / name).parent.mkdir(exist_ok=True)
        (home.site / name).write_text("the hospital's")
    (home.folder / "linked").symlink_to(home.site / "slides")
    return home


def of_the_hospital(home):
    return {
        path: path.read_bytes() for path in home.site.rglob("*") if path.is_file() and home.folder not in path.parents
    }


def entries(home):
    return [json.loads(line) for line in home.audit.read_bytes().splitlines()]


def leave(home, *options):
    done = CliRunner().invoke(app, ["leave", str(home.site), *options], env={"COLUMNS": "400"})
    return done.exit_code, done.output


def verify(home):
    return CliRunner().invoke(app, ["audit", str(home.site), "verify"], env={"COLUMNS": "400"})


def test_all_of_the_study_goes_and_log_keys_and_the_hospitals_data_stay(home):
    before = of_the_hospital(home)
    code, said = leave(home, "--erase")
    assert code == 0, said
    assert {path.name for path in home.folder.iterdir()} == EVIDENCE | FOR_GOOD
    assert of_the_hospital(home) == before
    assert "erased: masks: 2 files" in said
    last = entries(home)[-1]
    assert (last["number"], last["direction"]) == (N_ENTRIES + 1, "erased")
    names = {name.partition("/")[0] for name in OF_THE_STUDY} | {"linked"}
    assert last["erased"].keys() == names
    lines = [f"{hashlib.sha256(OF_THE_STUDY[name]).hexdigest()}  {name}\n" for name in sorted(OF_THE_STUDY)[4:6]]
    assert [line.split()[1] for line in lines] == ["masks/deep/key", "masks/ledger.jsonl"]
    assert last["erased"]["masks"] == {
        "files": 2,
        "bytes": 9,
        "sha256": hashlib.sha256("".join(lines).encode()).hexdigest(),
    }
    assert verify(home).exit_code == 0
    shown = CliRunner().invoke(app, ["audit", str(home.site), "show", "--json"]).output
    assert f"erased: masks: bytes 9, files 2, sha256 {last['erased']['masks']['sha256']}" in shown


def test_once_all_is_erased_nothing_more_is_entered(home):
    leave(home, "--erase")
    code, said = leave(home, "--erase")
    assert (code, len(entries(home))) == (0, N_ENTRIES + 1)
    assert "nothing was left to erase" in said


def test_leave_alone_erases_what_it_always_did_and_enters_nothing(home):
    assert leave(home)[0] == 0
    left = {path.name for path in home.folder.iterdir()}
    assert left & {"prepared", "alone", "answered", "masks"} == set()
    assert {"slides", "site.log", "flower"} < left
    assert len(entries(home)) == N_ENTRIES


@pytest.mark.parametrize("gone", [0, 1, 500])
def test_an_erasure_that_is_killed_goes_on_and_its_entry_has_all(home, gone):
    many = home.folder / "slides" / "features"
    for number in range(4000):
        (many / str(number)).write_text(str(number))
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    command = [sys.executable, "-c", "from client.cli import app; app()", "leave", str(home.site), "--erase"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not home.erasing.is_file() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    while many.exists() and sum(1 for _ in os.scandir(many)) > 4001 - gone and process.poll() is None:
        pass
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert home.erasing.is_file()
    assert len(entries(home)) == N_ENTRIES
    joined = CliRunner().invoke(app, ["join", str(home.site)], env={"COLUMNS": "400"})
    assert "an erasure was broken off here; end it first: tessera-client leave" in joined.output

    (home.folder / "check.html").write_text("made meanwhile")
    assert leave(home, "--erase")[0] == 0
    assert {path.name for path in home.folder.iterdir()} == EVIDENCE | FOR_GOOD
    erased = entries(home)[-1]["erased"]
    assert erased["slides"]["files"] == 4001
    assert erased["check.html"]["bytes"] == len("made meanwhile")
    assert verify(home).exit_code == 0


def test_an_erasure_that_is_killed_after_its_entry_is_not_entered_twice(home):
    erased = erase(home, 0)
    write_json(home.erasing, erased)
    assert leave(home, "--erase")[1].count("erased: ") == 0
    assert len(entries(home)) == N_ENTRIES + 1
    assert not home.erasing.exists()


def test_the_log_goes_once_its_time_is_over_and_the_next_says_so(home):
    last = datetime.fromisoformat(entries(home)[-1]["time"])
    assert kept_until(home, 30) == last + timedelta(days=30)
    assert kept_until(home, 0) is None
    with (home.site / "site.yaml").open("a") as file:
        file.write("policy: {retention_days: 30}\n")
    code, said = leave(home, "--erase")
    assert code == 0
    assert f"audit log and receipts stay until {last + timedelta(days=30):%Y-%m-%d}" in said

    old = home.audit.read_bytes()
    aged = (last - timedelta(days=31)).isoformat(timespec="milliseconds")
    home.audit.write_bytes(old.replace(entries(home)[N_ENTRIES - 1]["time"].encode(), aged.encode()))
    assert leave(home, "--erase")[0] == 0
    assert {path.name for path in home.folder.iterdir()} == FOR_GOOD | {"audit.jsonl", "audit.tree"}
    (entry,) = entries(home)
    assert entry["number"] == 1
    assert entry["erased"].keys() == EVIDENCE
    assert entry["erased"]["audit.jsonl"]["bytes"] == len(old) + len(aged) - len(
        last.isoformat(timespec="milliseconds")
    )
    assert verify(home).exit_code == 0
    assert "nothing was left to erase" in leave(home, "--erase")[1]


def test_a_site_that_takes_part_is_not_erased_under_its_own_feet(home):
    home.state.unlink()
    with home.lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, said = leave(home, "--erase")
    assert code == 1
    assert "this site takes part; stop its `join` first" in said
    assert (home.folder / "prepared").exists()


def test_a_cache_of_slides_elsewhere_is_named(home, tmp_path):
    (home.site / "site.yaml").write_text(
        f"name: st_anna\nslides: {{cache: {tmp_path / 'cache'}}}\nsources: {{wsi_image: {{paths: [slides]}}}}\n"
    )
    (tmp_path / "cache").mkdir()
    code, said = leave(home, "--erase")
    assert code == 0, said
    assert f"not erased: {tmp_path / 'cache'}, where site.yaml keeps what is made of slides" in said
    assert (tmp_path / "cache").is_dir()
