"""Signatures of releases: Ed25519 over model.json, which names the SHA-256 of every other file of a release."""

import base64
import datetime
import hashlib
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from cryptography.x509 import load_pem_x509_certificate

from modalities.core.files.atomic import write_atomically
from modalities.core.keyfiles import read_private, write_private
from modalities.core.problems import unusable

SIGNATURE = "model.json.sig"
"""The signature's file, beside model.json: base64 in one line."""
_ASK = "ask the coordinator for release.pub"


def make_release_key(private: Path, public: Path) -> None:
    """A new key pair; the public half is what sites check releases with.

    Raises:
        ValueError: there is one already.
    """
    key = Ed25519PrivateKey.generate()
    write_private(private, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def sign(folder: Path, private: Path) -> Path:
    """Sign the release in this folder.

    Raises:
        ValueError: the key cannot be read or is of another kind; there is no model.json.
    """
    path, key = folder / SIGNATURE, release_key(private)
    write_atomically(path, base64.b64encode(key.sign(_model(folder))) + b"\n")
    return path


def release_key(private: Path) -> Ed25519PrivateKey:
    """The private key in this file. What else it signs than model.json begins with a prefix, which no JSON does.

    Raises:
        ValueError: it cannot be read, or is of another kind.
    """
    key = load_pem_private_key(read_private(private), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise unusable("no Ed25519 key", "releases are signed with the one that `init` made", file=str(private))
    return key


def check_signature(folder: Path, public: Path, model: bytes | None = None) -> str:
    """Refuse a release that this key did not sign; the key's fingerprint otherwise.

    `model` is its model.json where that was read before: what is used is what is checked.

    Raises:
        ValueError: the key cannot be read, the signature is missing, or it does not fit key and model.json.
    """
    key, path = public_key(public), folder / SIGNATURE
    try:
        signature = base64.b64decode(path.read_text(encoding="ascii"), validate=False)
    except (OSError, ValueError) as error:
        raise unusable("no signature here", "ask the coordinator for the whole release", file=str(path)) from error
    try:
        key.verify(signature, _model(folder) if model is None else model)
    except InvalidSignature:
        raise unusable(
            f"the signature does not fit model.json and {public.name}: the release was changed, or "
            "another key signed it",
            "do not use it, and compare the key's fingerprint with the coordinator's",
            file=str(folder),
        ) from None
    return fingerprint(key)


def public_key(path: Path) -> Ed25519PublicKey:
    """The public key in this file.

    Raises:
        ValueError: there is none, or it is of another kind.
    """
    try:
        key = load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise unusable(f"cannot be read: {error.strerror}", _ASK, file=str(path)) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise unusable("no public key in PEM format", _ASK, file=str(path)) from error
    if not isinstance(key, Ed25519PublicKey):
        raise unusable("not an Ed25519 key", _ASK, file=str(path))
    return key


def fingerprint(key: Ed25519PublicKey) -> str:
    """SHA-256 over the raw key in hexadecimal, in groups that can be read out over the telephone."""
    return _readable(key.public_bytes(Encoding.Raw, PublicFormat.Raw))


def certificate_fingerprint(path: Path) -> str:
    """The same over a certificate, as a whole.

    Raises:
        ValueError: there is none in PEM format.
        OSError: the file cannot be read.
    """
    return _readable(load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.DER))


def days_left(path: Path, now: datetime.datetime) -> int:
    """Whole days until the certificate in this file ends; negative once it has.

    Raises:
        ValueError: the file holds no certificate.
    """
    try:
        certificate = load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: no certificate in PEM format: {error}") from error
    return (certificate.not_valid_after_utc - now).days


def _readable(content: bytes) -> str:
    digest = hashlib.sha256(content).hexdigest()
    return " ".join(digest[start : start + 4] for start in range(0, 32, 4))


def _model(folder: Path) -> bytes:
    try:
        return (folder / "model.json").read_bytes()
    except OSError as error:
        raise unusable("no model.json", "is this a release?", file=str(folder)) from error
