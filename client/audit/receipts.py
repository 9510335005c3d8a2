"""What the coordinator and other sites know of this site's audit log: heads go up, countersigned ones come down.

`.tessera/receipts.jsonl` has the countersigned heads of this site's log, which show later that nothing of it was
changed; `.tessera/witnessed.jsonl` those of other sites' logs, so that they can be held against these.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from logging import getLogger
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from client.audit.log import head_at, proof_between
from client.node.complaints import COMPLAINT
from client.node.home import Home
from client.node.keys import node_key
from modalities.core.files.journal import add_line, lines_of, read_only
from modalities.core.release.signing import public_key
from modalities.core.settings.site import SiteConfig
from strategies.audit.statements import HEAD, WITNESSED, Receipt, canonical, receipt_from, signed_by_site

_LOG = getLogger("tessera.client")
_MOST_WITNESSED = 1000
_OTHER = "the audit log is not the one that the coordinator countersigned: tessera-client audit %s verify"


@dataclass(frozen=True)
class Receipts:
    """A site's side of the receipts."""

    home: Home
    config: SiteConfig

    def keep(self, came: Mapping[str, Any]) -> None:
        """Keep what came with a message: the receipt of this site's last head, and heads of other sites.

        What is not countersigned by the coordinator's release key is not kept, and said.

        Raises:
            OSError: it cannot be written.
        """
        if "root" in came and (receipt := self._checked(came)):
            if self._is_of_this_log(receipt):
                add_line(self.home.receipts, canonical(receipt.to_dict()))
            else:
                _LOG.warning("a receipt for a head that is not of this site's audit log came; not kept")
        if isinstance(text := came.get(WITNESSED), str):
            keep_witnessed(self, text)

    def head(self, size: int, came: Mapping[str, Any]) -> dict[str, Any]:
        """What goes along with a reply: the head of the log with this reply's entry, and that it extends the last one.

        Where it does not, there is no proof, the coordinator notes it, and the people of this site are told.
        """
        head, proof = head_at(self.home, size), ""
        if "root" in came:
            try:
                earlier = receipt_from(came)
                proof = proof_between(self.home, earlier.head, size)
                if not proof and earlier.head != head and self._is_of_this_log(earlier):
                    _LOG.error(_OTHER, self.home.site, extra=COMPLAINT)
            except ValueError:  # said when it came
                proof = ""
        signature = signed_by_site(HEAD, head.of(self.config.name), node_key(self.home.key))
        return {"size": head.size, "root": head.root, "signature": signature, "proof": proof}

    def _is_of_this_log(self, receipt: Receipt) -> bool:
        """Whether this site signed that head, and the coordinator too."""
        is_own = receipt.site == self.config.name and receipt.is_from_site(node_key(self.home.key).public_key())
        return is_own and self._key is not None and receipt.is_countersigned(self._key)

    def _checked(self, values: Any) -> Receipt | None:
        """The receipt, if the coordinator's release key signed it."""
        try:
            receipt = receipt_from(values)
        except (ValueError, AttributeError) as error:
            _LOG.warning("a receipt for the audit log cannot be read, and is not kept: %s", error)
            return None
        if self._key is None:
            _LOG.warning(
                "%s is not here, or is no key, so no receipt for the audit log can be checked or kept", self._file.name
            )
        elif not receipt.is_countersigned(self._key):
            _LOG.warning("a receipt for the audit log is not signed by the key in %s; not kept", self._file.name)
        else:
            return receipt
        return None

    @property
    def _file(self) -> Path:
        return self.home.site / self.config.coordinator.release_key

    @cached_property
    def _key(self) -> Ed25519PublicKey | None:
        with suppress(ValueError):  # a damaged file stops no reply: the receipt only is not kept, and that is said
            return public_key(self._file)
        return None


def keep_witnessed(receipts: Receipts, text: str) -> None:
    """Keep the latest countersigned heads of other sites, a JSON list of receipts; one that goes back is said.

    Raises:
        OSError: it cannot be written.
    """
    try:
        listed = json.loads(text)
    except ValueError:
        listed = None
    if not isinstance(listed, list):
        _LOG.warning("the heads of other sites' audit logs cannot be read; none is kept")
        return
    known = {receipt.site: receipt for receipt in kept_in(receipts.home.witnessed)}
    for values in listed[:_MOST_WITNESSED]:
        receipt = receipts._checked(values)
        if receipt is None or receipt.site == receipts.config.name:
            continue
        before = known.get(receipt.site, receipt)
        if receipt.size < before.size or (receipt.size == before.size and receipt.root != before.root):
            what = "the coordinator shows another audit log of %s than before: %d entries now, %d on %s"
            _LOG.warning(what, receipt.site, receipt.size, before.size, before.time)
        if receipt.head != before.head or receipt.site not in known:
            add_line(receipts.home.witnessed, canonical(receipt.to_dict()))


def kept_in(path: Path) -> list[Receipt]:
    """The receipts in a file of the site, in the order in which they came; a line that is none is left out."""
    if not path.is_file():
        return []
    found = []
    with read_only(path) as file:
        for line in lines_of(file):
            try:
                found.append(receipt_from(json.loads(line)))
            except (ValueError, AttributeError):
                _LOG.warning("%s: a line is no receipt", path)
    return found
