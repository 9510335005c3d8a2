"""The coordinator's certificate authority and the certificate of its gateway.

The authority is the study's own: sites get its certificate beside their invitation and trust nothing else, so no
public authority, and nobody who can get a certificate from one, can stand between a site and the coordinator.
"""

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from modalities.core.files.atomic import replacing, write_atomically
from modalities.core.files.place import Place
from modalities.core.keyfiles import read_private, write_private

AUTHORITY_DAYS, SERVER_DAYS = 3650, 398
_LEEWAY = datetime.timedelta(hours=1)
"""Certificates begin in the past, for sites whose clock is late."""


@dataclass(frozen=True)
class Tls:
    """Where the files of a folder `tls/` are."""

    folder: Path

    authority = Place("ca.crt")
    """The authority's certificate: what sites are given."""
    authority_key = Place("ca.key")
    """Its private key; needed only for a new server certificate, so it may be kept elsewhere."""
    certificate = Place("server.pem")
    """The server's certificate."""
    key = Place("server.key")
    """Its private key."""


def make_authority(tls: Tls, name: str, now: datetime.datetime) -> None:
    """A new authority, valid for ten years.

    Raises:
        ValueError: there is one already.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Tessera {name} authority")])
    builder = _builder(subject, subject, key.public_key(), now, AUTHORITY_DAYS)
    usage = _usage(key_cert_sign=True, crl_sign=True)
    certificate = (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    write_private(tls.authority_key, _pem(key))
    tls.authority.write_bytes(certificate.public_bytes(Encoding.PEM))


def issue_server_certificate(tls: Tls, names: Sequence[str], now: datetime.datetime) -> None:
    """A new key and certificate for the gateway under these DNS names and addresses; the old pair is replaced.

    Raises:
        ValueError: the authority is missing, or no name is given.
    """
    if not names:
        raise ValueError("the server's certificate needs a name: give the address that sites connect to with --san")
    authority_key = load_pem_private_key(read_private(tls.authority_key), password=None)
    if not isinstance(authority_key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{tls.authority_key}: not the key of this study's authority")
    authority = x509.load_pem_x509_certificate(tls.authority.read_bytes())
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    builder = _builder(subject, authority.subject, key.public_key(), now, SERVER_DAYS)
    certificate = (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([_name(name) for name in names]), critical=False)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    with replacing(tls.key) as beside:
        write_private(beside, _pem(key))
    write_atomically(tls.certificate, certificate.public_bytes(Encoding.PEM))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime.datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _LEEWAY)
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(**allowed: bool) -> x509.KeyUsage:
    kinds = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    every = (*kinds, "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{kind: allowed.get(kind, False) for kind in every})


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
