"""A pseudonym is what another implementation of HMAC-SHA256 says, and its file is whole and its owner's alone."""

import base64
import json
import os

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from client.check.identifiers import kind_of
from modalities.core.contract import Source
from modalities.core.problems import ProblemsError
from modalities.core.pseudonyms import Pseudonyms, new_pseudonyms, read_pseudonyms

KEY = bytes(range(32))


def by_cryptography(number):
    mac = HMAC(KEY, SHA256())
    mac.update(number.encode())
    letters = base64.b32encode(mac.finalize()).decode()
    return f"P-{letters[:4]}-{letters[4:8]}-{letters[8:12]}"


@pytest.mark.parametrize("number", ["4711001", "00042", "Müller, Anna", "943 476 5919"])
def test_a_pseudonym_is_the_beginning_of_the_hmac_and_looks_like_nobodys_number(number):
    pseudonym = Pseudonyms(KEY).of(f" {number} ")
    assert pseudonym == by_cryptography(number)
    assert kind_of(pseudonym) is None


def test_one_spelling_of_an_umlaut_is_as_good_as_the_other():
    assert Pseudonyms(KEY).of("Mu\u0308ller") == Pseudonyms(KEY).of("M\u00fcller")


def test_pseudonyms_and_blanks_stay_as_they_are():
    held = Pseudonyms(KEY)
    assert held.of(held.of("4711001")) == held.of("4711001")
    assert held.of(" ") == ""


def test_another_key_gives_other_pseudonyms():
    numbers = [str(number) for number in range(500)]
    one, other = new_pseudonyms(), new_pseudonyms()
    first = {one.of(number) for number in numbers}
    assert len(first) == 500
    assert first.isdisjoint(other.of(number) for number in numbers)


def test_neither_key_nor_numbers_show_where_a_source_is_printed():
    held = Pseudonyms(KEY).with_numbers(["4711001"])
    shown = repr(Source((), pseudonyms=held))
    assert "4711001" not in shown
    assert KEY.hex() not in shown
    assert repr(KEY) not in shown


def test_the_file_is_its_owners_alone_and_keeps_who_left_the_case_list(tmp_path):
    path = tmp_path / "deep" / "pseudonyms.json"
    before = os.umask(0)
    try:
        new_pseudonyms().with_numbers(["1", "2"]).write(path)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    held = read_pseudonyms(path).with_numbers(["2", "3"])
    held.write(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_pseudonyms(path) == held
    assert sorted(held.numbers.values()) == ["1", "2", "3"]
    assert [file.name for file in path.parent.iterdir()] == ["pseudonyms.json"]


def test_a_file_that_others_can_read_is_refused(tmp_path):
    path = tmp_path / "p.json"
    new_pseudonyms().write(path)
    path.chmod(0o640)
    with pytest.raises(ProblemsError, match=r"others can read this key \(mode 640\); run: chmod 600"):
        read_pseudonyms(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda held: held | {"key": "00" * 32},  # of another site: its list does not fit
        lambda held: held | {"key": held["key"][:-2]},
        lambda held: held | {"key": "none"},
        lambda held: held | {"numbers": {"P-AAAA-AAAA-AAAA": "4711001"}},
        lambda held: held | {"numbers": None},
        lambda held: {"key": held["key"]},
        lambda held: [],
    ],
)
def test_a_damaged_file_makes_no_pseudonyms(tmp_path, change):
    path = tmp_path / "p.json"
    Pseudonyms(KEY).with_numbers(["4711001"]).write(path)
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(ProblemsError, match="damaged: key and list do not fit; put its copy in its place"):
        read_pseudonyms(path)


def test_a_file_that_is_absent_or_cut_off_is_refused(tmp_path):
    with pytest.raises(ProblemsError, match="no such file; make it with `tessera-client pseudonymise`"):
        read_pseudonyms(tmp_path / "p.json")
    new_pseudonyms().write(tmp_path / "p.json")
    (tmp_path / "p.json").write_bytes((tmp_path / "p.json").read_bytes()[:40])
    with pytest.raises(ProblemsError, match="damaged"):
        read_pseudonyms(tmp_path / "p.json")
