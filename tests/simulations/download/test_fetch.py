"""However a server fails, a file is whole and right in the end, or named among those that are missing."""

import time

import pytest

from modalities.core.problems import ProblemsError
from simulations.download.fetch import partial_of
from simulations.download.transfer import MISSING
from tests.simulations.download.made import FAST, file_of, make, portal_of
from tests.simulations.download.portal import serving

N_BYTES = 300_007
HALF = N_BYTES // 2
TABLES = {"labels": "none", "clinical": "none"}


def path_of(out, file):
    return out / "masked_copy_number_segment" / file.id / file.name


@pytest.mark.parametrize(
    ("faults", "asked"),
    [
        (["500", "500"], [("", 500), ("", 500), ("", 200)]),
        (["short"], [("", 200), (f"bytes={HALF}-", 206)]),
        (["stalls"], [("", 200), (f"bytes={HALF}-", 206)]),
        (["md5"], [("", 200), ("", 200)]),
        (["short", "ignores range"], [("", 200), (f"bytes={HALF}-", 200)]),
        (["short", "another place"], [("", 200), (f"bytes={HALF}-", 206), ("", 200)]),
        (["short", "416"], [("", 200), (f"bytes={HALF}-", 416), ("", 200)]),
        (["429"], [("", 429), ("", 200)]),
    ],
    ids=lambda value: "-".join(value) if isinstance(value[0], str) else "",
)
def test_what_passes_is_tried_again_from_where_it_stopped(tmp_path, faults, asked):
    file = file_of(1, N_BYTES, faults=faults)
    with serving(portal_of([file])) as portal:
        make(portal, tmp_path, **TABLES)
    assert path_of(tmp_path, file).read_bytes() == file.content
    assert portal.asked_of(file) == asked
    assert not partial_of(path_of(tmp_path, file)).exists()
    assert not (tmp_path / MISSING).exists()


def test_a_connection_that_is_reset_is_taken_up_again(tmp_path):
    file = file_of(1, N_BYTES, faults=["cut", "cut"])
    with serving(portal_of([file])) as portal:
        make(portal, tmp_path, **TABLES)
    assert path_of(tmp_path, file).read_bytes() == file.content
    assert len(portal.asked_of(file)) == 3


def test_a_server_that_says_when_is_left_alone_until_then(tmp_path):
    file = file_of(1, N_BYTES, faults=["503"])  # with Retry-After: 1, while FAST pauses .05 s at most
    with serving(portal_of([file])) as portal:
        start = time.monotonic()
        make(portal, tmp_path, **TABLES)
    assert time.monotonic() - start >= 1.0
    assert portal.asked_of(file) == [("", 503), ("", 200)]


@pytest.mark.parametrize(
    ("fault", "n_asked", "reason"),
    [
        ("500", FAST.tries, "the server answers 500"),
        ("md5", FAST.tries, "its MD5 is"),
        ("403", 1, r"controlled access \(403\)"),
        ("404", 1, r"the server does not have it \(404\)"),
        ("302", 1, "the server answers 302"),
    ],
)
def test_what_does_not_pass_is_listed_and_the_others_are_there(tmp_path, fault, n_asked, reason):
    bad, good = file_of(1, N_BYTES, faults=[fault], lasts=True), file_of(2, 1_003)
    with (
        serving(portal_of([bad, good])) as portal,
        pytest.raises(ProblemsError, match=rf"{reason}.*: {bad.name}\n1 of 2 files are missing.*same command"),
    ):
        make(portal, tmp_path, **TABLES)
    assert len(portal.asked_of(bad)) == n_asked
    assert not path_of(tmp_path, bad).exists()
    assert path_of(tmp_path, good).read_bytes() == good.content
    header, row = (tmp_path / MISSING).read_text().splitlines()
    assert header == "id\tfilename\tmd5\tsize\tstate"
    assert row.startswith(f"{bad.id}\t{bad.name}\t")
    assert row.endswith(f"\t{N_BYTES}\treleased")


def test_the_manifest_of_what_is_missing_brings_it_and_nothing_else(tmp_path):
    bad, good = file_of(1, N_BYTES, faults=["500"], lasts=True), file_of(2, 1_003)
    with serving(portal_of([bad, good])) as portal:
        with pytest.raises(ProblemsError, match="1 of 2 files are missing"):
            make(portal, tmp_path, **TABLES)
        bad.lasts, before = False, len(portal.asked_of(good))
        bad.faults.clear()
        make(portal, tmp_path, manifest=tmp_path / MISSING, **TABLES)
        assert len(portal.asked_of(good)) == before == 1
    assert path_of(tmp_path, bad).read_bytes() == bad.content
    assert not (tmp_path / MISSING).exists()


def test_a_file_that_moves_forward_is_not_given_up_however_often_it_is_cut(tmp_path):
    file = file_of(1, 40 << 20, faults=["short"] * 5)  # halves of what is left: 20, 10, 5, 2.5 and 1.25 MiB
    with serving(portal_of([file])) as portal:
        make(portal, tmp_path, **TABLES)
    assert len(portal.asked_of(file)) == 6 > FAST.tries
    assert path_of(tmp_path, file).read_bytes() == file.content


def test_when_several_in_a_row_fail_the_server_is_left_alone(tmp_path):
    files = [file_of(number, 101, faults=["500"], lasts=True) for number in range(1, 12)]
    with (
        serving(portal_of(files)) as portal,
        pytest.raises(ProblemsError, match=r"not tried, since several in a row failed: .*\n11 of 11 files are missing"),
    ):
        make(portal, tmp_path, **TABLES)
    # two side by side: three failures in a row stop them, while the fourth is still tried
    assert sum(bool(portal.asked_of(file)) for file in files) == 4


def test_what_is_there_is_not_fetched_again_unless_it_is_damaged_and_one_looks(tmp_path):
    file = file_of(1, N_BYTES)
    with serving(portal_of([file])) as portal:
        make(portal, tmp_path, **TABLES)
        make(portal, tmp_path, **TABLES)
        assert len(portal.asked_of(file)) == 1
        path_of(tmp_path, file).write_bytes(b"x" * N_BYTES)
        make(portal, tmp_path, **TABLES)
        assert len(portal.asked_of(file)) == 1
        make(portal, tmp_path, verify=True, **TABLES)
    assert path_of(tmp_path, file).read_bytes() == file.content


@pytest.mark.parametrize("size", [N_BYTES, N_BYTES + 9])
def test_a_part_of_other_bytes_is_thrown_away(tmp_path, size):
    file = file_of(1, N_BYTES)
    part = partial_of(path_of(tmp_path, file))
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * size)
    with serving(portal_of([file])) as portal:
        make(portal, tmp_path, **TABLES)
    assert path_of(tmp_path, file).read_bytes() == file.content


def test_a_part_that_is_whole_is_checked_and_not_asked_for(tmp_path):
    file = file_of(1, N_BYTES)
    part = partial_of(path_of(tmp_path, file))
    part.parent.mkdir(parents=True)
    part.write_bytes(file.content)
    with serving(portal_of([file])) as portal:
        make(portal, tmp_path, **TABLES)
    assert path_of(tmp_path, file).read_bytes() == file.content
    assert not portal.asked_of(file)


def test_an_empty_file_is_a_file(tmp_path):
    file = file_of(1, 0)
    with serving(portal_of([file])) as portal:
        make(portal, tmp_path, **TABLES)
    assert path_of(tmp_path, file).read_bytes() == b""
