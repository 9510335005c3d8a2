"""A study's private keys: what each is for, and whether it is the one of its public half."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from modalities.core.problems import Problem
from server.coordinator.folder import Study

_BRING = "bring it back: `tessera-server restore KEYS --to {folder}`, or copy it there, with mode 0600"


def lacking_keys(study: Study) -> Iterator[Problem]:
    """The keys that are not here, or are another's, and what to do about it."""
    uses = {
        study.release_key: (study.release_public_key, "it signs releases and receipts: nothing is run without it"),
        study.tls.key: (study.tls.certificate, "no site connects without it"),
        study.tls.authority_key: (study.tls.authority, "for `renew` alone: it may be kept elsewhere"),
    }
    for private, (public, use) in uses.items():
        remedy = _BRING.format(folder=study.folder)
        if private == study.tls.key:
            remedy += f", or make a new one: tessera-server renew {study.folder}"
        if not private.is_file():
            level = "note" if private == study.tls.authority_key else "warning"
            yield Problem(f"not here: {use}", remedy, file=str(private), level=level)
        elif not fits(private, public):
            yield Problem(f"not the key of {public.name}: {use}", f"move it away, and {remedy}", file=str(private))


def public_half(study: Study, key: Path) -> Path | None:
    """What a key of the study belongs to; None for one that the study does not know."""
    tls = study.tls
    halves = {study.release_key: study.release_public_key, tls.key: tls.certificate, tls.authority_key: tls.authority}
    return halves.get(key)


def fits(private: Path, public: Path) -> bool:
    """Whether the private key is that of the public key or certificate."""
    try:
        content = public.read_bytes()
        half: Any = (
            x509.load_pem_x509_certificate(content).public_key()
            if b"CERTIFICATE" in content
            else load_pem_public_key(content)
        )
        return load_pem_private_key(private.read_bytes(), password=None).public_key() == half
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        return False
