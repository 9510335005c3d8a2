"""A study goes into one file while it is being written to, and comes back whole, elsewhere, under another user."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from typer.testing import CliRunner

from client.node.keys import make_node_key
from server.backup.archive import MANIFEST
from server.cli import app
from server.coordinator.flower import database, nodes_file
from server.coordinator.folder import Study, enrol_site, init_study
from server.coordinator.renewal import renew_certificate
from server.state.checkpoint import CHECKPOINT, load_checkpoint, save_checkpoint
from server.state.measured import METRICS
from tests.server.coordinator.test_renewal import in_days

KEYS = {"keys/release.key", "tls/ca.key", "tls/server.key"}


def run(*arguments):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "400"})
    return done.exit_code, done.output


@pytest.fixture
def study(tmp_path):
    """One site is enrolled, a step is finished, and Flower's database is there."""
    study = init_study(tmp_path / "brca", ["fed.example.org"])
    make_node_key(tmp_path / "node.key", tmp_path / "node.pub", "st_anna")
    enrol_site(study, "st_anna", tmp_path / "node.pub")
    study.flower.mkdir()
    with closing(sqlite3.connect(database(study))) as connection:
        connection.executescript("PRAGMA journal_mode=WAL; CREATE TABLE node(id); INSERT INTO node VALUES (7);")
    nodes_file(study).write_text("{}")
    save_checkpoint(study.run / CHECKPOINT, {"a": np.arange(5.0)}, {"round": 3})
    (study.run / METRICS).write_text('{"round": 1}\n')
    return study


def held(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_study_comes_back_as_it_was_without_its_keys_and_what_is_missing_is_said(study, tmp_path):
    for name in ("flower/config.toml", "flower/app/code.py", "flower/apps/code.py"):
        (study.folder / name).parent.mkdir(exist_ok=True)
        (study.folder / name).write_text("made anew")
    unfinished = {f"run/{CHECKPOINT}.77.part", "run/.tmpa1B2c3"}
    for name in unfinished:
        (study.folder / name).write_text("half")
    (study.folder / "notes").mkdir()
    (study.folder / "notes" / "my copy.txt").write_bytes(study.release_key.read_bytes())  # a key by another name
    code, said = run("backup", study.folder, "--to", tmp_path / "brca.zip")
    assert code == 0, said
    assert "without its private keys (keys/release.key, notes/my copy.txt, tls/ca.key, tls/server.key)" in said
    assert not any(b"PRIVATE KEY" in content for content in [(tmp_path / "brca.zip").read_bytes()])

    code, said = run("restore", tmp_path / "brca.zip", "--to", tmp_path / "new" / "place")
    assert code == 0, said
    restored = Study(tmp_path / "new" / "place")
    left_out = {*KEYS, "notes/my copy.txt", "gateway/nginx.conf", "flower/config.toml"}
    before = {name: content for name, content in held(study.folder).items() if name not in left_out}
    unlike = {name for name, content in held(restored.folder).items() if before.get(name) != content}
    assert unlike == {"gateway/nginx.conf", "flower/state.db"}  # the one of the new place, and the other read below
    assert {*held(restored.folder)} == {
        name for name in {*before, "gateway/nginx.conf"} - unfinished if "flower/app" not in name
    } - {"flower/state.db-wal", "flower/state.db-shm"}
    assert str(study.folder) not in restored.nginx.read_text()
    with closing(sqlite3.connect(database(restored))) as connection:
        assert connection.execute("SELECT id FROM node").fetchall() == [(7,)]
    assert said.count("not here: ") == 3
    code, lines = run("start", restored.folder)
    assert code == 1
    for key in ("tls/server.key", "keys/release.key"):
        assert f"{restored.folder / key}: no such key; make one with `init`, or bring it back" in lines
    assert f"tessera-server restore KEYS --to {restored.folder}" in said


def test_keys_go_into_a_file_of_their_own_and_come_back_afterwards(study, tmp_path):
    code, said = run("backup", study.folder, "--to", tmp_path / "brca.zip", "--keys-to", tmp_path / "keys.zip")
    assert code == 0, said
    assert (tmp_path / "keys.zip").stat().st_mode & 0o777 == 0o600
    with ZipFile(tmp_path / "keys.zip") as keys, ZipFile(tmp_path / "brca.zip") as others:
        assert {*keys.namelist()} == {*KEYS, MANIFEST}
        assert not KEYS & {*others.namelist()}
    to = tmp_path / "new"
    assert run("restore", tmp_path / "brca.zip", "--to", to)[0] == 0
    code, said = run("restore", tmp_path / "keys.zip", "--to", to)
    assert code == 0
    assert said.count("is back") == 3
    assert "not here" not in said
    for name in KEYS:
        assert (to / name).read_bytes() == (study.folder / name).read_bytes()
        assert (to / name).stat().st_mode & 0o777 == 0o600
    assert run("restore", tmp_path / "keys.zip", "--to", to)[1].count("is there already, and stays") == 3
    code, said = run("restore", tmp_path / "keys.zip", "--to", tmp_path / "nothing")
    assert code == 1
    assert "no coordinator.yaml" in said


def test_a_key_of_before_a_renewal_or_of_another_study_is_left_out(study, tmp_path):
    assert run("backup", study.folder, "--to", tmp_path / "old.zip", "--keys-to", tmp_path / "keys.zip")[0] == 0
    renew_certificate(study, [], in_days(1))
    assert run("backup", study.folder, "--to", tmp_path / "brca.zip")[0] == 0
    assert run("restore", tmp_path / "brca.zip", "--to", tmp_path / "new")[0] == 0
    code, said = run("restore", tmp_path / "keys.zip", "--to", tmp_path / "new")
    assert code == 0
    assert "server.key: left out, since it is not the key of server.pem" in said
    assert f"or make a new one: tessera-server renew {tmp_path / 'new'}" in said
    assert {name for name in KEYS if (tmp_path / "new" / name).exists()} == {"keys/release.key", "tls/ca.key"}
    assert run("renew", tmp_path / "new")[0] == 0

    init_study(tmp_path / "other", ["fed.example.org"])
    for key in KEYS:
        (tmp_path / "other" / key).unlink()
    assert run("restore", tmp_path / "keys.zip", "--to", tmp_path / "other")[1].count("left out") == 3


def test_nothing_is_replaced_and_a_restore_that_fails_leaves_nothing(study, tmp_path):
    assert run("backup", study.folder, "--to", tmp_path / "brca.zip")[0] == 0
    before = held(study.folder)
    code, said = run("restore", tmp_path / "brca.zip", "--to", study.folder)
    assert code == 1
    assert "is there already, and is never replaced" in said
    assert held(study.folder) == before
    code, said = run("backup", study.folder, "--to", tmp_path / "brca.zip")
    assert code == 1
    assert "brca.zip: is there already; name a new file" in said

    with (tmp_path / "brca.zip").open("r+b") as file:
        file.seek(file.read().index(b"seed: 0"))
        file.write(b"seed: 7")
    code, said = run("restore", tmp_path / "brca.zip", "--to", tmp_path / "new")
    assert code == 1
    assert "federation.yaml: damaged since it was written; take another copy" in said
    assert {path.name for path in tmp_path.iterdir()} == {"brca", "brca.zip", "node.key", "node.pub"}


def test_everything_that_keeps_a_study_from_being_backed_up_is_said(study, tmp_path):
    (study.folder / "a\nb").write_text("odd")
    code, said = run("backup", study.folder, "--to", tmp_path / "brca.zip")
    assert code == 1
    assert "a name that no backup can hold; rename it" in said
    (study.folder / "a\nb").unlink()
    code, said = run("backup", study.folder, "--to", study.folder / "brca.zip")
    assert code == 1
    assert "within the study's folder" in said
    (tmp_path / "keys.zip").touch()
    code, said = run("backup", study.folder, "--to", tmp_path / "brca.zip", "--keys-to", tmp_path / "keys.zip")
    assert code == 1
    assert "keys.zip: is there already; name a new file" in said
    (tmp_path / "keys.zip").unlink()
    code, said = run("backup", study.folder, "--to", tmp_path / "one.zip", "--keys-to", tmp_path / "one.zip")
    assert code == 1
    assert "study and keys go into two files" in said
    for path in study.flower.glob("state.db*"):
        path.unlink()
    database(study).write_bytes(b"no database" * 1000)
    code, said = run("backup", study.folder, "--to", tmp_path / "brca.zip")
    assert code == 1
    assert "cannot be copied: file is not a database; move it and nodes.json away" in said
    assert {path.name for path in tmp_path.iterdir()} == {"brca", "node.key", "node.pub"}


def test_links_to_files_and_folders_elsewhere_are_followed_and_a_loop_is_not(study, tmp_path):
    shutil.move(study.run, tmp_path / "disk")
    study.run.symlink_to(tmp_path / "disk")
    (study.folder / "loop").symlink_to(study.folder)
    assert run("backup", study.folder, "--to", tmp_path / "brca.zip")[0] == 0
    assert run("restore", tmp_path / "brca.zip", "--to", tmp_path / "new")[0] == 0
    assert load_checkpoint(tmp_path / "new" / "run" / CHECKPOINT)[1] == {"round": 3}
    assert not (tmp_path / "new" / "loop").exists()


SMALL = """\
mount -t tmpfs -o size=300k tmpfs {small}
cd {source}
{python} -c 'from server.cli import app; app()' {words}
code=$?
ls -A {small}
exit $code
"""


@pytest.mark.parametrize("full_of", ["database", "checkpoint"])
def test_a_full_disk_is_said_and_nothing_is_left_of_a_backup_and_of_a_restore(study, tmp_path, full_of):
    if os.geteuid() or subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        pytest.skip("needs a small disk of its own")
    if full_of == "database":
        with closing(sqlite3.connect(database(study))) as connection:
            connection.execute("INSERT INTO node VALUES (zeroblob(1000000))")
            connection.commit()
    else:
        save_checkpoint(study.run / CHECKPOINT, {"a": np.zeros(100_000)}, {})
    assert run("backup", study.folder, "--to", tmp_path / "brca.zip")[0] == 0
    small = tmp_path / "small"
    small.mkdir()
    for words in (f"backup {study.folder} --to {small}/b.zip", f"restore {tmp_path}/brca.zip --to {small}/new"):
        script = SMALL.format(small=small, source=Path.cwd(), python=sys.executable, words=words)
        done = subprocess.run(["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        said = " ".join(done.stdout.split())
        assert said.endswith("No space left on device; make room on this disk, or name a folder on another"), done


WRITER = """
import json, sqlite3, sys
from pathlib import Path
import numpy as np
from server.state.checkpoint import save_checkpoint
folder = Path(sys.argv[1])
log = (folder / "run" / "metrics.jsonl").open("w")
database = sqlite3.connect(folder / "flower" / "state.db", isolation_level=None)
database.executescript("PRAGMA journal_mode=WAL; CREATE TABLE a(n); CREATE TABLE b(n);")
for number in range(10**6):
    database.execute("BEGIN")
    database.execute("INSERT INTO a VALUES (?)", (number,))
    database.execute("INSERT INTO b VALUES (?)", (number,))
    database.execute("COMMIT")
    arrays = {"a": np.full(200_000, float(number))}
    save_checkpoint(folder / "run" / "checkpoint.safetensors", arrays, {"lines": number})
    line = json.dumps({"line": number, "more": "x" * 500})
    log.write(line[:250]); log.flush(); log.write(line[250:] + "\\n"); log.flush()
"""


def test_nothing_half_written_gets_into_a_backup_of_a_study_that_runs(study, tmp_path):
    script = tmp_path / "writer.py"
    script.write_text(WRITER)
    database(study).unlink()
    writer = subprocess.Popen([sys.executable, script, study.folder], env={**os.environ, "PYTHONPATH": str(Path.cwd())})
    seen = set()
    try:
        deadline = time.monotonic() + 60
        while load_checkpoint(study.run / CHECKPOINT)[1].get("lines", 0) < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        for number in range(8):
            to = tmp_path / str(number)
            assert run("backup", study.folder, "--to", f"{to}.zip")[0] == 0
            assert run("restore", f"{to}.zip", "--to", to)[0] == 0
            arrays, meta = load_checkpoint(to / "run" / CHECKPOINT)
            assert set(arrays["a"]) == {float(meta["lines"])}
            lines = [json.loads(line) for line in (to / "run" / METRICS).read_text().splitlines()]
            assert [line["line"] for line in lines] == list(range(len(lines)))
            assert len(lines) >= meta["lines"]
            with closing(sqlite3.connect(database(Study(to)))) as copied:
                assert copied.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                counts = copied.execute("SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b)").fetchone()
            assert counts[0] == counts[1] > 3
            seen.add(meta["lines"])
        assert writer.poll() is None
    finally:
        writer.kill()
        writer.wait()
    assert len(seen) > 1  # it did go on meanwhile
