"""A site's node key: EC P-384; private as OpenSSH PEM, public as an OpenSSH line, which is how Flower reads them."""

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from modalities.core.keyfiles import read_private, write_private
from modalities.core.problems import unusable


def make_node_key(private: Path, public: Path, site: str) -> str:
    """A new key pair; gives the public line, which the coordinator enrols.

    Raises:
        ValueError: there is one already.
    """
    key = ec.generate_private_key(ec.SECP384R1())
    write_private(private, key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode() + f" {site}\n"
    public.write_text(line, encoding="ascii")
    return line.strip()


def node_key(private: Path) -> ec.EllipticCurvePrivateKey:
    """The node key in this file.

    Raises:
        ValueError: it is absent, others can read it, or it is no node key.
    """
    try:
        key = load_ssh_private_key(read_private(private), password=None)
    except (UnsupportedAlgorithm, TypeError) as error:
        raise unusable("no node key", "make one with `tessera-client init`", file=str(private)) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP384R1):
        raise unusable("not an EC P-384 key", "a node key is one that `tessera-client init` made", file=str(private))
    return key
