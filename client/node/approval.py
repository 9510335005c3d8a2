"""Which code a site runs: the bundles that it approved, by the digest of all in them, on the packages of that day."""

import json
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from client.node.home import Home
from modalities.core.files.atomic import write_json
from modalities.core.files.tables.delimited import listing
from modalities.core.problems import check
from modalities.core.supply.packages import Package, differences
from strategies.bundle import digest_of_bundle
from strategies.flower.tasks import NotApprovedError

CODE = "TESSERA_APPROVED_CODE"
"""In the environment of a task's process: the digest of the approved bundle that runs in it."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


def approve(home: Home, digest: str, source: str, packages: Mapping[str, str]) -> None:
    """From now on this site runs the bundle with this digest, on these packages; `source` says where it came from.

    Raises:
        ValueError: this is no digest.
    """
    check([f"{digest!r}: a digest is 64 hexadecimal digits"] if not _DIGEST.fullmatch(digest) else [])
    entry = {"source": source, "time": time.time(), "packages": dict(packages)}
    write_json(home.approved, {**approvals(home), digest: entry})


def withdraw(home: Home, digest: str) -> None:
    """This site runs the bundle no more, from the next message on.

    Raises:
        ValueError: it was not approved.
    """
    known = approvals(home)
    check([f"{digest}: not approved; approved are: {', '.join(known) or 'none'}"] if digest not in known else [])
    write_json(home.approved, {own: entry for own, entry in known.items() if own != digest})


def approvals(home: Home) -> dict[str, dict[str, Any]]:
    """Digest -> where it came from, when, and on which packages; one from before packages counted has none."""
    return json.loads(home.approved.read_text(encoding="utf-8")) if home.approved.is_file() else {}


def refuse_unapproved(home: Home, bundle: bytes, packages: Mapping[str, str]) -> str:
    """The digest of a bundle that this site runs on these packages; what was refused is kept for `status` to show.

    Raises:
        NotApprovedError: this site did not approve the bundle, or approved it on other packages.
    """
    digest = digest_of_bundle(bundle)
    approval = approvals(home).get(digest)
    if approval is None:
        write_json(home.refused, {"digest": digest, "time": time.time()})
        raise NotApprovedError(f"the coordinator sent the code {digest}, which this site has not approved")
    if changed := changed_packages(approval, packages):
        write_json(home.refused, {"digest": digest, "time": time.time(), "packages": changed})
        raise NotApprovedError(f"packages changed since the code was approved: {listing(changed)}")
    return digest


def refuse_changed_files(packages: Sequence[Package]) -> None:
    """Packages whose files are no longer those that pip installed are not what anybody reviewed.

    Raises:
        ValueError: every such package, with the files.
    """
    changed = [(package, files) for package in packages if (files := package.changed_files())]
    check(
        f"{package.name} {package.version}: no longer as it was installed: {listing(files)}; install it anew"
        for package, files in changed
    )


def changed_packages(approval: Mapping[str, Any], packages: Mapping[str, str]) -> list[str]:
    """What became of the packages since that approval, in words."""
    return differences(approval["packages"], packages) if "packages" in approval else []


def last_refused(home: Home) -> dict[str, Any]:
    """What was refused last, unless it has been approved since; empty if there is none."""
    found = json.loads(home.refused.read_text(encoding="utf-8")) if home.refused.is_file() else {}
    approval = approvals(home).get(found.get("digest", ""), {})
    return {} if approval.get("time", 0.0) > found.get("time", 0.0) else found


def refusal(refused: Mapping[str, Any], site: Path) -> str:
    """What to do about what was refused last."""
    digest = refused["digest"]
    allow = f"allow it with: tessera-client trust {site} {digest}"
    if changed := refused.get("packages"):
        what = f"refused: the packages here are not those that the code was approved with: {listing(changed)}"
        return f"{what}; install those again, or once you know why, {allow}"
    what = f"refused: the coordinator sent the code {digest}, which this site has not approved"
    return f"{what}; once you have reviewed it, {allow}"
