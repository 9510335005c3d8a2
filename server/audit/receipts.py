"""`audit.json` in the study's run folder: the last head of each site's audit log that the coordinator countersigned."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from modalities.core.files.atomic import write_json
from strategies.audit.statements import HEAD, Head, Receipt, is_signed_by_site, receipt_from

AUDIT_FILE = "audit.json"
UNREADABLE = "the head of its audit log cannot be read"
UNSIGNED = "the head of its audit log is not signed with its node key"
MISSING = "it sent no head of its audit log"


@dataclass
class Book:
    """What stands in the file."""

    last: dict[str, Receipt] = field(default_factory=dict)
    """Site -> its last countersigned head."""
    breaks: list[dict[str, Any]] = field(default_factory=list)
    """Where a head did not extend the one before: `had`, the receipt of that; `got`, the head and its signature."""


def read_book(file: Path) -> Book:
    """What the coordinator countersigned in this study; nothing where no site sent a head yet.

    Raises:
        ValueError: the file is damaged.
    """
    if not file.is_file():
        return Book()
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        return Book({site: receipt_from(values) for site, values in kept["last"].items()}, kept["breaks"])
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ValueError(f"{file}: damaged: {error}; move it away, and the receipts begin anew") from error


class Receipts:
    """Takes the heads of sites, checks and countersigns them."""

    def __init__(self, file: Path, key: Ed25519PrivateKey, node_keys: Mapping[str, EllipticCurvePublicKey]) -> None:
        """Go on with what stands in the file; `node_keys` are the enrolled sites' by name.

        Raises:
            ValueError: the file is damaged.
        """
        self._file, self._key, self._node_keys = file, key, node_keys
        self._book = read_book(file)

    def last(self, site: str) -> Receipt | None:
        """The last head of this site's log that was countersigned."""
        return self._book.last.get(site)

    def heads_for(self, site: str) -> list[Receipt]:
        """The last heads of all other sites, for this one to witness."""
        return [receipt for name, receipt in sorted(self._book.last.items()) if name != site]

    def take(self, site: str, sent: Mapping[str, Any]) -> str:
        """Countersign the head that came with a reply; what is wrong with it in words, or nothing.

        A head that does not extend the one before is kept beside it for good, and the next is held against it: so one
        break is noted once, and what comes after it is watched again.
        """
        try:
            head, signature, proof = Head(sent["size"], sent["root"]), str(sent["signature"]), str(sent["proof"])
        except (KeyError, ValueError):
            return UNREADABLE
        if not is_signed_by_site(HEAD, head.of(site), signature, self._node_keys[site]):
            return UNSIGNED
        before, now = self.last(site), datetime.now(UTC).isoformat(timespec="seconds")
        self._book.last[site] = Receipt(site, head.size, head.root, now, signature).countersigned(self._key)
        if before is None or head.follows(before.head, proof):
            return ""
        got = {**head.of(site), "signature": signature, "time": now}
        self._book.breaks.append({"had": before.to_dict(), "got": got})
        return (
            f"its audit log of {head.size} entries does not begin with the {before.size} that were countersigned on "
            f"{before.time}: it was changed, cut off or replaced; both heads are kept in {AUDIT_FILE}"
        )

    def save(self) -> None:
        """Write the file.

        Raises:
            OSError: it cannot be written.
        """
        last = {site: receipt.to_dict() for site, receipt in sorted(self._book.last.items())}
        write_json(self._file, {"last": last, "breaks": self._book.breaks})
