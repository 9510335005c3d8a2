"""What sites and coordinator sign of an audit log: entries and heads with the node key, receipts with the release key.

A statement is a prefix, which keeps one kind from passing for another, and canonical JSON.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA384

from strategies.audit.tree import SIZE, extends

AUDIT = "audit"
"""The part under which heads, receipts and proofs travel: `config.audit`."""
WITNESSED = "witnessed"
"""The field of that record with receipts of other sites."""
ENTRY, HEAD, RECEIPT = (f"tessera/audit/{kind}/v1\n".encode() for kind in ("entry", "head", "receipt"))
_LARGEST, _LONGEST_PROOF, _LONGEST_TEXT = 2**40, 128, 200


def canonical(values: Mapping[str, Any]) -> bytes:
    """JSON in one line, its keys in order, in ASCII: the same bytes whoever writes it.

    Raises:
        ValueError: a number in it is not finite.
    """
    return json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def signed_by_site(kind: bytes, values: Mapping[str, Any], key: EllipticCurvePrivateKey) -> str:
    """A node key's signature under the statement, in base64: ECDSA with SHA-384."""
    return _text(key.sign(kind + canonical(values), ECDSA(SHA384())))


def is_signed_by_site(kind: bytes, values: Mapping[str, Any], signature: str, key: EllipticCurvePublicKey) -> bool:
    """Whether this node key signed it."""
    try:
        key.verify(base64.b64decode(signature, validate=True), kind + canonical(values), ECDSA(SHA384()))
    except (InvalidSignature, ValueError):
        return False
    return True


@dataclass(frozen=True)
class Head:
    """An audit log at one moment: so many entries, and the root over them in hexadecimal."""

    size: int
    root: str

    def __post_init__(self) -> None:
        """Refuse what no log has: others wrote it.

        Raises:
            ValueError: the size or the root is none.
        """
        if type(self.size) is not int or not 0 < self.size <= _LARGEST:
            raise ValueError("the number of entries of an audit log must be a whole number above 0")
        if not isinstance(self.root, str) or len(self.root) != 2 * SIZE or len(bytes.fromhex(self.root)) != SIZE:
            raise ValueError(f"the root of an audit log must be {2 * SIZE} hexadecimal digits")

    def of(self, site: str) -> dict[str, Any]:
        """What the site signs of it."""
        return {"site": site, "size": self.size, "root": self.root}

    def follows(self, earlier: "Head", proof: str) -> bool:
        """Whether the proof, hashes in hexadecimal with blanks between, shows that this log begins with that one."""
        try:
            hashes = [bytes.fromhex(each) for each in proof.split()[:_LONGEST_PROOF]]
        except ValueError:
            return False
        roots = bytes.fromhex(earlier.root), bytes.fromhex(self.root)
        return extends(earlier.size, roots[0], self.size, roots[1], hashes)


@dataclass(frozen=True)
class Receipt:
    """A head that the coordinator countersigned: what this site's log had at that time."""

    site: str
    size: int
    root: str
    time: str
    """ISO 8601, UTC, by the coordinator's clock."""
    by_site: str = ""
    """The site's own signature over the head, in base64: else a coordinator could claim entries that never were."""
    signature: str = ""
    """By the release key, over all else, in base64."""

    @property
    def head(self) -> Head:
        """Of the site's log."""
        return Head(self.size, self.root)

    def to_dict(self) -> dict[str, Any]:
        """As plain values, to be kept and sent."""
        return asdict(self)

    def countersigned(self, key: Ed25519PrivateKey) -> Self:
        """The same with the coordinator's signature."""
        return replace(self, signature=_text(key.sign(self._statement())))

    def is_countersigned(self, key: Ed25519PublicKey) -> bool:
        """Whether this release key signed it."""
        try:
            key.verify(base64.b64decode(self.signature, validate=True), self._statement())
        except (InvalidSignature, ValueError):
            return False
        return True

    def is_from_site(self, key: EllipticCurvePublicKey) -> bool:
        """Whether the site with this node key signed the head."""
        return is_signed_by_site(HEAD, self.head.of(self.site), self.by_site, key)

    def _statement(self) -> bytes:
        return RECEIPT + canonical({name: value for name, value in asdict(self).items() if name != "signature"})


def receipt_from(values: Mapping[str, Any]) -> Receipt:
    """A receipt that was kept or sent.

    Raises:
        ValueError: it is none.
    """
    names = ("site", "root", "time", "by_site", "signature")
    texts = [values.get(name) for name in names]
    if not all(isinstance(text, str) and 0 < len(text) <= _LONGEST_TEXT for text in texts):
        raise ValueError(f"a receipt holds size, {', '.join(names)}")
    site, root, time, by_site, signature = map(str, texts)
    head = Head(values.get("size", 0), root)
    return Receipt(site, head.size, head.root, time, by_site, signature)


def _text(signature: bytes) -> str:
    return base64.b64encode(signature).decode()
