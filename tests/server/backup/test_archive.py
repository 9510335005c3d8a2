"""An archive is unpacked only if it is whole, and nothing in it decides where it is written."""

import json
import os
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import pytest

from modalities.core.problems import ProblemsError
from server.backup.archive import MANIFEST, pack, unpack

CONTENT = {"a.txt": b"one", "below/b.bin": b"\0two" * 300_000, "c": b""}


@pytest.fixture
def file(tmp_path):
    for name, content in CONTENT.items():
        path = tmp_path / "from" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    assert pack(tmp_path / "it.zip", {name: tmp_path / "from" / name for name in CONTENT}, {"about": 7}) == 3
    return tmp_path / "it.zip"


def held(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def changed(file, change):
    """The same archive, its members given to `change` as a dictionary."""
    with ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file


def problems_of(file, folder):
    with pytest.raises(ProblemsError, match=r"it\.zip") as caught:
        unpack(file, folder)
    return {(problem.where, problem.what) for problem in caught.value.problems}


def test_what_was_packed_is_unpacked_for_its_owner_alone(file, tmp_path):
    assert unpack(file, tmp_path / "to")["about"] == 7
    assert held(tmp_path / "to") == CONTENT
    assert {path.stat().st_mode & 0o777 for path in [file, *(tmp_path / "to" / name for name in CONTENT)]} == {0o600}
    assert list(tmp_path.glob("*.part")) == []


def test_an_archive_is_never_replaced_and_a_file_that_is_gone_is_left_out(file, tmp_path):
    before = file.read_bytes()
    with pytest.raises(ValueError, match=r"it\.zip: is there already"):
        pack(file, {}, {})
    assert file.read_bytes() == before
    assert pack(tmp_path / "less.zip", {"here": tmp_path / "from" / "c", "gone": tmp_path / "gone"}, {}) == 1
    unpack(tmp_path / "less.zip", tmp_path / "to")
    assert held(tmp_path / "to") == {"here": b""}


def test_of_a_log_only_whole_lines_are_packed(tmp_path):
    names = ("metrics.jsonl", "superlink.log.3", "other.txt", "torn.log")
    for name in names:
        (tmp_path / name).write_bytes(b'{"round": 1}\n{"rou' if name != "torn.log" else b"no end")
    pack(tmp_path / "it.zip", {name: tmp_path / name for name in names}, {})
    unpack(tmp_path / "it.zip", tmp_path / "to")
    whole = b'{"round": 1}\n'
    assert held(tmp_path / "to") == {
        "metrics.jsonl": whole,
        "superlink.log.3": whole,
        "other.txt": whole + b'{"rou',
        "torn.log": b"",
    }


def test_everything_wrong_is_said_at_once(file, tmp_path):
    def change(members):
        members["a.txt"] = b"two"
        del members["c"]
        members["d"] = b"more"

    assert problems_of(changed(file, change), tmp_path / "to") == {
        ("a.txt", "damaged since it was written"),
        ("c", "missing"),
        ("d", "not in the manifest"),
    }


@pytest.mark.parametrize("name", ["../out", "/srv/out", "below/../../out", "a//b", "./a", "a\\b", "a\nb", "below"])
def test_a_name_that_leads_elsewhere_is_refused_and_written_nowhere(file, tmp_path, name):
    def change(members):
        manifest = json.loads(members[MANIFEST])
        members[name] = b"evil"
        manifest["files"][name] = "0" * 64
        members[MANIFEST] = json.dumps(manifest).encode()

    before = held(tmp_path)
    found = problems_of(changed(file, change), tmp_path / "to")
    assert (name if name.isprintable() else ascii(name), "no name that a backup gives a file") in found
    assert {path: content for path, content in held(tmp_path).items() if path not in before} == {
        f"to/{path}": content for path, content in CONTENT.items()
    }


def test_a_link_in_an_archive_is_a_file_like_any_other(file, tmp_path):
    with ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with ZipFile(file, "w") as archive:
        for name, content in members.items():
            info = ZipInfo(name)
            info.external_attr = 0o120777 << 16
            archive.writestr(info, content)
    unpack(file, tmp_path / "to")
    assert held(tmp_path / "to") == CONTENT
    assert not any(path.is_symlink() for path in (tmp_path / "to").rglob("*"))


def test_a_link_that_stands_where_a_file_goes_is_not_followed(file, tmp_path):
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "a.txt").symlink_to(tmp_path / "from" / "c")
    with pytest.raises(FileExistsError):
        unpack(file, tmp_path / "to")
    assert (tmp_path / "from" / "c").read_bytes() == b""


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.999])
def test_a_part_of_an_archive_is_refused(file, tmp_path, keep):
    os.truncate(file, int(file.stat().st_size * keep))
    with pytest.raises(ValueError, match=r"it\.zip: no backup, or only a part of one"):
        unpack(file, tmp_path / "to")
    with pytest.raises(ValueError, match=r"none\.zip: no such file"):
        unpack(tmp_path / "none.zip", tmp_path / "to")


def test_every_flipped_byte_is_seen(file, tmp_path):
    whole = file.read_bytes()
    for number, at in enumerate(range(0, len(whole), 1 + len(whole) // 150)):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        try:
            unpack(file, tmp_path / str(number))
        except ValueError:
            continue
        assert held(tmp_path / str(number)) == CONTENT  # a time, or a mode, which nothing reads


def test_a_bomb_is_refused(file, tmp_path):
    with ZipFile(file, "a", ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(30_000_000))
    found = problems_of(file, tmp_path / "to")
    assert ("zeros", "compressed or encrypted, which no backup is") in found
    assert ("a.txt", "claims more bytes than the archive has") in found
    assert held(tmp_path / "to") == {}


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        (b"[", "manifest.json cannot be read"),
        (b"{}", "manifest.json cannot be read"),
        (b'{"files": {"a": 1}, "format": 1}', "are not listed"),
        (b'{"files": {}, "format": 2}', "its format 2 is of a newer version; update this one first"),
    ],
)
def test_a_manifest_that_is_none_is_refused(file, tmp_path, manifest, said):
    def change(members):
        members[MANIFEST] = manifest

    with pytest.raises(ValueError, match=said):
        unpack(changed(file, change), tmp_path / "to")
