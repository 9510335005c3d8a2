"""The audit log on disk: entries chained, signed and safe before anything leaves, one process at a time."""

import hashlib
import json
import os
import stat
import subprocess
import sys

import pytest

from client.audit.log import NOTHING_BEFORE, RECEIVED, SENT, TORN, append, head_at, proof_between
from client.node.home import Home
from client.node.keys import make_node_key
from strategies.audit.statements import ENTRY, is_signed_by_site
from strategies.audit.tree import added, root
from strategies.masking.roster import read_public_key


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "st_anna")
    home.folder.mkdir(parents=True, mode=0o700)
    make_node_key(home.key, home.public_key, "st_anna")
    return home


def lines_of(home):
    return home.audit.read_bytes().splitlines()


def entries_of(home):
    return [json.loads(line) for line in lines_of(home)]


def root_over(lines):
    nodes = []
    for size, line in enumerate(lines):
        nodes += added(size, line, nodes.__getitem__)
    return root(len(lines), nodes.__getitem__).hex()


def test_an_entry_names_its_place_the_one_before_and_what_was_told_and_the_node_key_signed_it(home):
    assert [append(home, RECEIVED, {"message": "query.setup"}), append(home, SENT, {"holds": {"n": 3.5}})] == [1, 2]
    first, second = entries_of(home)
    assert (first["number"], first["direction"], first["before"]) == (1, "received", NOTHING_BEFORE)
    assert second["before"] == hashlib.sha256(lines_of(home)[0]).hexdigest()
    assert (second["number"], second["direction"], second["holds"]) == (2, "sent", {"n": 3.5})
    assert second["time"].endswith("+00:00")
    assert second["time"] >= first["time"]
    key = read_public_key(home.public_key.read_bytes())
    for entry in (first, second):
        signature = entry.pop("signature")
        assert is_signed_by_site(ENTRY, entry, signature, key)
        assert not is_signed_by_site(b"another kind\n", entry, signature, key)
        assert not is_signed_by_site(ENTRY, entry | {"message": "other"}, signature, key)


def test_only_the_sites_user_can_read_the_log(home):
    append(home, SENT, {})
    for path in (home.audit, home.audit_tree):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_head_at_any_size_is_over_the_lines_of_the_file_and_later_heads_extend_earlier(home):
    for number in range(11):
        append(home, SENT, {"what": number})
    lines = lines_of(home)
    heads = [head_at(home, size) for size in range(1, 12)]
    assert [head.root for head in heads] == [root_over(lines[:size]) for size in range(1, 12)]
    for earlier in heads:
        assert heads[-1].follows(earlier, proof_between(home, earlier, 11))
    assert proof_between(home, heads[8], 5) == ""
    assert not heads[4].follows(heads[8], "")


@pytest.mark.parametrize("damage", ["absent", "behind", "of another log", "broken off"])
def test_the_tree_is_made_again_from_the_log_where_it_does_not_fit(home, damage):
    for number in range(6):
        append(home, SENT, {"what": number})
    nodes = home.audit_tree.read_bytes()
    if damage == "absent":
        home.audit_tree.unlink()
    else:
        changed = {"behind": nodes[: 4 * 32], "of another log": bytes(len(nodes)), "broken off": nodes[:-5]}
        home.audit_tree.write_bytes(changed[damage])
    assert append(home, SENT, {}) == 7
    assert head_at(home, 7).root == root_over(lines_of(home))


@pytest.mark.parametrize("torn", [b'{"before":"12', b'{"whole": "but without an end"}', bytes(50), b"x" * 200_000])
def test_a_line_that_a_crash_broke_off_is_set_aside_and_said(home, torn, caplog):
    append(home, SENT, {"what": 1})
    with home.audit.open("ab") as file:
        file.write(torn)
    assert append(home, SENT, {"what": 2}) == 3
    note = entries_of(home)[1]
    assert (note["direction"], note["bytes"]) == (TORN, len(torn))
    assert note["sha256"] == hashlib.sha256(torn).hexdigest()
    assert home.audit_torn.read_bytes() == torn + b"\n"
    assert "its last line was broken off" in caplog.text
    assert [entry["number"] for entry in entries_of(home)] == [1, 2, 3]


def test_a_first_line_that_was_broken_off_leaves_a_log_that_begins_with_saying_so(home):
    home.audit.write_bytes(b'{"number":')
    assert append(home, SENT, {}) == 2
    assert [entry["direction"] for entry in entries_of(home)] == [TORN, SENT]


def test_what_the_disk_took_in_part_is_taken_back(home, monkeypatch):
    append(home, SENT, {"what": 1})
    before, real = home.audit.read_bytes(), os.write

    def full(descriptor, content):
        if len(content) > 100:
            return real(descriptor, content[:100])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space left"):
            append(home, SENT, {"what": "b" * 150})
    assert home.audit.read_bytes() == before
    assert append(home, SENT, {}) == 2


def test_a_number_that_json_does_not_know_is_refused_before_anything_is_written(home):
    with pytest.raises(ValueError, match="JSON compliant"):
        append(home, SENT, {"loss": float("nan")})
    assert lines_of(home) == []


def test_processes_at_once_write_one_chain(home):
    work = (
        "import sys; from pathlib import Path; from client.audit.log import append; from client.node.home import Home\n"
        "for n in range(12): append(Home(Path(sys.argv[1])), 'sent', {'by': sys.argv[2]})"
    )
    running = [subprocess.Popen([sys.executable, "-c", work, str(home.site), name]) for name in "abc"]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    lines, entries = lines_of(home), entries_of(home)
    assert [entry["number"] for entry in entries] == list(range(1, 37))
    assert [entry["before"] for entry in entries[1:]] == [hashlib.sha256(line).hexdigest() for line in lines[:-1]]
    assert {name: sum(entry["by"] == name for entry in entries) for name in "abc"} == {"a": 12, "b": 12, "c": 12}
    assert head_at(home, 36).root == root_over(lines)
