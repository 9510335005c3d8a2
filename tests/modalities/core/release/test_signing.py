"""A release is whole and signed by the key that the site was given, or it is refused with the reason."""

import stat

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from modalities.core.keyfiles import read_private
from modalities.core.release.signing import SIGNATURE, check_signature, fingerprint, make_release_key, public_key, sign


@pytest.fixture
def keys(tmp_path):
    make_release_key(tmp_path / "keys" / "release.key", tmp_path / "keys" / "release.pub")
    return tmp_path / "keys"


@pytest.fixture
def release(tmp_path, keys):
    folder = tmp_path / "release"
    folder.mkdir()
    (folder / "model.json").write_bytes(b'{"files": {}}')
    sign(folder, keys / "release.key")
    return folder


def test_what_the_key_signed_is_accepted_and_its_fingerprint_told(release, keys):
    told = check_signature(release, keys / "release.pub")
    assert told == fingerprint(public_key(keys / "release.pub"))
    assert len(told.split()) == 8


def test_one_changed_byte_of_model_json_is_refused(release, keys):
    (release / "model.json").write_bytes(b'{"files": [}}')
    with pytest.raises(ValueError, match=r"signature does not fit model\.json and release\.pub"):
        check_signature(release, keys / "release.pub")


def test_another_keys_signature_is_refused(release, tmp_path):
    make_release_key(tmp_path / "other.key", tmp_path / "other.pub")
    with pytest.raises(ValueError, match=r"does not fit model\.json and other\.pub"):
        check_signature(release, tmp_path / "other.pub")


@pytest.mark.parametrize("content", [b"", b"AAAA\n", b"\xff\xfe"])
def test_a_signature_that_is_none_is_refused(release, keys, content):
    (release / SIGNATURE).write_bytes(content)
    with pytest.raises(ValueError, match="signature"):
        check_signature(release, keys / "release.pub")


def test_a_missing_signature_or_model_is_said(release, keys):
    (release / SIGNATURE).unlink()
    with pytest.raises(ValueError, match="no signature here"):
        check_signature(release, keys / "release.pub")
    (release / "model.json").unlink()
    with pytest.raises(ValueError, match=r"no model\.json"):
        sign(release, keys / "release.key")


def test_a_private_key_is_the_owners_alone_and_is_never_overwritten(keys):
    private = keys / "release.key"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    with pytest.raises(ValueError, match="there is a key already"):
        make_release_key(private, keys / "release.pub")
    private.chmod(0o640)
    with pytest.raises(ValueError, match=r"others can read this key \(mode 640\); run: chmod 600"):
        read_private(private)


def test_a_file_that_is_no_key_is_refused(tmp_path):
    (tmp_path / "release.pub").write_text("no key")
    with pytest.raises(ValueError, match="no public key in PEM format"):
        public_key(tmp_path / "release.pub")
    with pytest.raises(ValueError, match=r"none\.pub: cannot be read: No such file or directory; ask the coordinator"):
        public_key(tmp_path / "none.pub")


def test_keys_of_another_kind_than_ed25519_are_refused(tmp_path, release):
    """X25519 keys have the same length, and come in the same PEM."""
    other = X25519PrivateKey.generate()
    private, public = tmp_path / "other.key", tmp_path / "other.pub"
    private.write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    private.chmod(0o600)
    public.write_bytes(other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    before = (release / SIGNATURE).read_bytes()
    with pytest.raises(ValueError, match=r"other\.key: no Ed25519 key; releases are signed with the one"):
        sign(release, private)
    assert (release / SIGNATURE).read_bytes() == before
    with pytest.raises(ValueError, match=r"other\.pub: not an Ed25519 key; ask the coordinator for release\.pub"):
        public_key(public)
    with pytest.raises(ValueError, match=r"other\.pub: not an Ed25519 key"):
        check_signature(release, public)
