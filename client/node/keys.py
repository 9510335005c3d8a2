"""A site's node key: EC P-384; private as OpenSSH PEM, public as an OpenSSH line, which is how Flower reads them."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from modalities.core.release.keyfiles import write_private


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
