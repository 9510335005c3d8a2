"""roster.yaml: one digest for one list of sites, however it is written, and every fault in the file at once."""

import hashlib
import os

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from client.node.keys import make_node_key
from modalities.core.problems import ProblemsError
from strategies.masking.roster import Roster, changes, key_digest, load_roster, read_public_key, write_roster

A, B, C = "a" * 64, "0123456789abcdef" * 4, "7" * 64
SPKI_OF_P384 = bytes.fromhex("3076301006072a8648ce3d020106052b81040022036200")
"""RFC 5480: id-ecPublicKey, secp384r1, and a bit string of 97 bytes, which begins with 04 for an uncompressed point."""


def raw(public):
    """The key's DER form, put together by hand."""
    numbers = public.public_numbers()
    return SPKI_OF_P384 + b"\x04" + numbers.x.to_bytes(48, "big") + numbers.y.to_bytes(48, "big")


def refused(path, text):
    """The problems of a file with this text, one line each."""
    path.write_text(text)
    with pytest.raises(ProblemsError) as error:
        load_roster(path)
    return str(error.value).splitlines()


def test_what_is_written_is_read_again(tmp_path):
    roster = Roster({"st_anna": A, "no": C, "1e3": B}, "Brustkrebs, Größe 🧬")
    write_roster(tmp_path / "roster.yaml", roster)
    assert load_roster(tmp_path / "roster.yaml") == roster
    assert load_roster(tmp_path / "roster.yaml").digest == roster.digest
    assert [path.name for path in tmp_path.iterdir()] == ["roster.yaml"]


def test_the_digest_is_that_of_the_sites_by_name_in_canonical_json():
    text = f'{{"format":"tessera/roster/v1","sites":{{"no":"{C}","st_anna":"{A}"}},"study":"brca"}}'
    assert Roster({"st_anna": A, "no": C}, "brca").digest == hashlib.sha256(text.encode()).hexdigest()


def test_order_comments_and_spelling_of_the_file_do_not_change_the_digest(tmp_path):
    path = tmp_path / "roster.yaml"
    path.write_text(f"# by hand\nsites: {{no: {C}, 'st_anna': \"{A}\"}}  # two\nstudy: brca")
    assert load_roster(path).digest == Roster({"st_anna": A, "no": C}, "brca").digest


def test_another_key_site_or_study_is_another_digest():
    rosters = [
        Roster({"a": A, "b": B}, "brca"),
        Roster({"a": B, "b": A}, "brca"),
        Roster({"a": A, "b": C}, "brca"),
        Roster({"a": A}, "brca"),
        Roster({"a": A, "c": B}, "brca"),
        Roster({"a": A, "b": B}, "luad"),
        Roster({"a": A, "b": B}),
    ]
    assert len({roster.digest for roster in rosters}) == 7


def test_every_problem_is_said_at_once(tmp_path):
    lines = refused(
        tmp_path / "roster.yaml",
        f"""
study: [brca]
site: x
sites:
  a: {A}
  b: {A}
  ../c: {B}
  d: {B[:-1]}
  e: {B.upper()}
  f: [{C}]
  g: {C}
  g: {C}
""",
    )
    assert [line.split(";")[0] for line in lines] == [
        "roster.yaml, site: no such setting",
        "roster.yaml, sites: 'g' stands there 2 times",
        "roster.yaml, sites: '../c': a site's name is up to 40 letters, digits, - _ and ., beginning with a letter "
        "or a digit",
        f"roster.yaml, sites.d: must be 64 hexadecimal digits, in small letters, got '{B[:-1]}'",
        f"roster.yaml, sites.e: must be 64 hexadecimal digits, in small letters, got '{B.upper()}'",
        "roster.yaml, sites.f: must be 64 hexadecimal digits, in small letters, got '\\na list or section'",
        "roster.yaml, sites: a and b have one key",
        "roster.yaml, study: must be one line of at most 100 letters, got '\\na list or section'",
    ]
    assert "ask the coordinator for the roster.yaml that `tessera-server roster` wrote" in lines[1]


@pytest.mark.parametrize("text", ["", "sites:", "sites: {}", "study: brca", "[]", "sites: []", "a"])
def test_a_roster_without_sites_is_refused(tmp_path, text):
    assert any("sites: names no site" in line for line in refused(tmp_path / "roster.yaml", text))


@pytest.mark.parametrize("text", ["", "sites:", "study: brca"])
def test_of_a_roster_without_sites_no_more_is_said_than_that(tmp_path, text):
    (line,) = refused(tmp_path / "roster.yaml", text)
    assert line.startswith("roster.yaml, sites: names no site")


@pytest.mark.parametrize(
    ("text", "where"), [("[]", "the file"), ("a", "the file"), ("sites: []", "sites"), ("sites: a", "sites")]
)
def test_a_list_or_a_word_where_the_sites_should_stand_is_no_section(tmp_path, text, where):
    first, second = refused(tmp_path / "roster.yaml", text)
    assert first.startswith(f"roster.yaml, {where}: must be a section, a line a site")
    assert second.startswith("roster.yaml, sites: names no site")


def test_of_a_studys_name_that_is_too_long_eighty_letters_are_shown(tmp_path):
    lines = refused(tmp_path / "roster.yaml", f"study: {'x' * 101}\nsites: {{a: {A}}}")
    assert lines == [f"roster.yaml, study: must be one line of at most 100 letters, got '{'x' * 80}'"]


@pytest.mark.parametrize("text", ["sites: {a", "[" * 100_000, "a: b\n---\na: b", "sites: *nobody", "\x00"])
def test_what_is_no_yaml_is_refused(tmp_path, text):
    lines = refused(tmp_path / "roster.yaml", text)
    assert lines[0].startswith("roster.yaml: cannot be read as YAML: ")


def test_one_key_under_two_names_by_an_alias_is_still_one_key(tmp_path):
    lines = refused(tmp_path / "roster.yaml", f"sites: {{a: &key {A}, b: *key}}")
    assert lines == ["roster.yaml, sites: a and b have one key; every site needs a key of its own"]


def test_aliases_of_aliases_are_refused_without_being_multiplied(tmp_path):
    bomb = "".join(f"  x{level}: &x{level} [{', '.join([f'*x{level - 1}'] * 10)}]\n" for level in range(1, 40))
    lines = refused(tmp_path / "roster.yaml", f"sites:\n  x0: &x0 [a]\n{bomb}")
    assert len(lines) == 41  # one a site, and that they share what they say


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "nothing", "large", "bytes"])
def test_only_a_plain_file_of_a_sensible_size_is_read(tmp_path, kind):
    path, other = tmp_path / "roster.yaml", tmp_path / "other.yaml"
    write_roster(other, Roster({"a": A}))
    make = {
        "link": lambda: path.symlink_to(other),
        "pipe": lambda: os.mkfifo(path),
        "folder": path.mkdir,
        "nothing": lambda: None,
        "large": lambda: path.write_text(other.read_text() + "#" * 2**18),
        "bytes": lambda: path.write_bytes(b"sites: {\xff: a}"),
    }
    make[kind]()
    said = {"nothing": "no such file", "large": "a roster has at most 262,144", "bytes": "cannot be read as YAML"}
    with pytest.raises(ValueError, match=said.get(kind, "must be a file, not a link or a folder")):
        load_roster(path)


def test_a_roster_of_more_than_its_digits_cannot_be_made():
    with pytest.raises(ValueError, match="sites: names no site"):
        Roster({})
    with pytest.raises(ValueError, match=r"sites\.a: must be 64 hexadecimal digits"):
        Roster({"a": A + "\n"})


def test_a_key_has_one_digest_as_openssh_line_as_der_and_with_its_point_compressed(tmp_path):
    line = make_node_key(tmp_path / "node.key", tmp_path / "node.pub", "a")
    public = read_public_key((tmp_path / "node.pub").read_bytes())
    by_hand = raw(public)
    assert key_digest(public) == hashlib.sha256(by_hand).hexdigest()
    assert key_digest(line.encode()) == key_digest(by_hand) == key_digest(public)
    point = public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    compressed = bytes.fromhex("3046301006072a8648ce3d020106052b81040022033200") + point
    assert key_digest(compressed) == key_digest(public)


@pytest.mark.parametrize(
    "content", [b"", b"ecdsa-sha2-nistp384 AAAA a", b"ssh-rsa AAAA", b"0" * 120, SPKI_OF_P384 + b"\x04" + b"\x01" * 96]
)
def test_what_is_no_key_has_no_digest(content):
    with pytest.raises(ValueError, match=r"no public key: neither the OpenSSH line of a node\.pub nor DER"):
        key_digest(content)


def test_a_key_of_another_kind_is_refused():
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    line = other.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    signing = ed25519.Ed25519PrivateKey.generate().public_key()
    for content in (line, signing.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)):
        with pytest.raises(ValueError, match="not an EC P-384 key, which a node key is"):
            read_public_key(content)


def test_what_changed_between_two_rosters_is_said_by_kind():
    before, after = Roster({"a": A, "b": B, "c": C}, "brca"), Roster({"c": A, "b": B, "d": C}, "luad")
    assert changes(before, after) == ["study: 'luad', was 'brca'", "joined: d", "left: a", "another key: c"]
    assert changes(before, Roster({"c": C, "b": B, "a": A}, "brca")) == []
