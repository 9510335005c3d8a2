"""Which code a site runs: the bundles that it approved, by the digest of everything in them."""

import json
import re
import time
from pathlib import Path
from typing import Any

from client.node.home import Home
from modalities.core.files.atomic import write_json
from modalities.core.problems import check
from strategies.bundle import digest_of_bundle
from strategies.flower.tasks import NotApprovedError

CODE = "TESSERA_APPROVED_CODE"
"""In the environment of a task's process: the digest of the approved bundle that runs in it."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


def approve(home: Home, digest: str, source: str) -> None:
    """From now on this site runs the bundle with this digest; `source` is kept beside it, for whoever looks later.

    Raises:
        ValueError: this is no digest.
    """
    check([f"{digest!r}: a digest is 64 hexadecimal digits"] if not _DIGEST.fullmatch(digest) else [])
    write_json(home.approved, {**approvals(home), digest: {"source": source, "time": time.time()}})


def withdraw(home: Home, digest: str) -> None:
    """This site runs the bundle no more, from the next message on.

    Raises:
        ValueError: it was not approved.
    """
    known = approvals(home)
    check([f"{digest}: not approved; approved are: {', '.join(known) or 'none'}"] if digest not in known else [])
    write_json(home.approved, {own: entry for own, entry in known.items() if own != digest})


def approvals(home: Home) -> dict[str, dict[str, Any]]:
    """Digest -> where it came from and when."""
    return json.loads(home.approved.read_text(encoding="utf-8")) if home.approved.is_file() else {}


def refuse_unapproved(home: Home, bundle: bytes) -> str:
    """The digest of a bundle that this site runs; what was refused is kept for `status` to show.

    Raises:
        NotApprovedError: this site did not approve the bundle.
    """
    digest = digest_of_bundle(bundle)
    if digest not in approvals(home):
        write_json(home.refused, {"digest": digest, "time": time.time()})
        raise NotApprovedError(f"the coordinator sent the code {digest}, which this site has not approved")
    return digest


def last_refused(home: Home) -> dict[str, Any]:
    """The bundle that was refused last, unless it has been approved since; empty if there is none."""
    found = json.loads(home.refused.read_text(encoding="utf-8")) if home.refused.is_file() else {}
    return {} if found.get("digest") in approvals(home) else found


def refusal(digest: str, site: Path) -> str:
    """What to do about code that was refused."""
    return (
        f"refused: the coordinator sent the code {digest}, which this site has not approved; once you have "
        f"reviewed it, allow it with: tessera-client trust {site} {digest}"
    )
