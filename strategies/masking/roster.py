"""roster.yaml: the sites of a study and the digest of each one's key, which every site approves for itself.

A site takes another's key in a message only if this file has its digest: the coordinator, which passes the messages
on, can neither swap a key nor add a site. The file:

    study: brca
    sites:
      nordheim: 9a4e...  # 64 hexadecimal digits: SHA-256 of the DER form (SubjectPublicKeyInfo, point uncompressed)
      st_anna: 03cd...   # of the EC P-384 public key in the site's node.pub
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import yaml
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_ssh_public_key,
)

from modalities.core.files.atomic import write_atomically
from modalities.core.problems import Problem, check, unusable
from modalities.core.settings.site import problem_of_name
from modalities.core.settings.structured import unknown_key

ROSTER_FILE = "roster.yaml"
_FORMAT = "tessera/roster/v1"
_MOST_BYTES = 2**18  # 2,000 sites; a study has a hundred
_MOST_LETTERS = 100
_DIGEST = re.compile(r"[0-9a-f]{64}")
_KEYS = ("study", "sites")
_HEAD = """\
# The sites of this study and the SHA-256 of each one's key: `tessera-server roster` wrote it from the enrolled keys.
# Each site compares the digest of this list over the telephone: tessera-client trust SITE --roster DIGEST"""
_AGAIN = "ask the coordinator for the roster.yaml that `tessera-server roster` wrote"


@dataclass(frozen=True)
class Roster:
    """The sites of one study.

    Raises:
        ValueError: every name that is none, digest that is none, and digest that two sites share; there are no sites.
    """

    sites: Mapping[str, str] = field(hash=False)
    """Site -> `key_digest` of its public key."""
    study: str = ""
    """The study's name, for those who read the file."""

    def __post_init__(self) -> None:
        """Refuse what no study has."""
        check(_problems_of(self.sites, self.study))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of study, sites and keys; their order in the file, its comments and its spelling do not matter."""
        content = {"format": _FORMAT, "study": self.study, "sites": dict(self.sites)}
        return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def load_roster(path: Path) -> Roster:
    """The roster in this file, names and digests taken as they are written.

    Raises:
        ValueError: it is absent, a link, too large or no YAML; or every problem in it.
    """
    problems: list[Problem] = []
    top = _entries(_root(path), "", problems)
    problems += [unknown_key(name, _KEYS, "") for name in top if name not in _KEYS]
    study = _text(top["study"]) if "study" in top else ""
    sites = {name: _text(node) for name, node in _entries(top.get("sites"), "sites", problems).items()}
    problems += _problems_of(sites, study)
    check(replace(problem, file=path.name) for problem in dict.fromkeys(problems))
    return Roster(sites, study)


def rosters_in(folder: Path) -> list[Roster]:
    """Every roster that a study had, the newest first.

    Raises:
        ValueError: one cannot be read.
    """
    return [load_roster(path) for path in sorted(folder.glob("*.yaml"), reverse=True)]


def write_roster(path: Path, roster: Roster) -> None:
    """Write the file, whole or not at all, its sites by name.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    study = json.dumps(roster.study, ensure_ascii=False)
    lines = [f"  {json.dumps(name)}: {json.dumps(key)}" for name, key in sorted(roster.sites.items())]
    write_atomically(path, "\n".join([_HEAD, f"study: {study}", "sites:", *lines, ""]).encode())


def changes(before: Roster, after: Roster) -> list[str]:
    """What differs, a line a kind: who joined, who left, whose key is another; empty if nothing does."""
    kept = before.sites.keys() & after.sites.keys()
    differing = {
        "joined": after.sites.keys() - kept,
        "left": before.sites.keys() - kept,
        "another key": {name for name in kept if before.sites[name] != after.sites[name]},
    }
    renamed = [f"study: {after.study!r}, was {before.study!r}"] * (before.study != after.study)
    return renamed + [f"{what}: {', '.join(sorted(names))}" for what, names in differing.items() if names]


def read_public_key(content: bytes) -> EllipticCurvePublicKey:
    """A site's public key, from the OpenSSH line that node.pub holds or from DER (SubjectPublicKeyInfo).

    Raises:
        ValueError: it is neither, or no EC P-384 key.
    """
    try:
        is_line = content.lstrip().startswith(b"ecdsa-sha2-")
        key = load_ssh_public_key(content.strip()) if is_line else load_der_public_key(content)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("no public key: neither the OpenSSH line of a node.pub nor DER") from error
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP384R1):
        raise ValueError("not an EC P-384 key, which a node key is")
    return key


def key_digest(key: EllipticCurvePublicKey | bytes) -> str:
    """SHA-256, in hexadecimal, of the key's one canonical form: DER SubjectPublicKeyInfo, its point uncompressed.

    Raises:
        ValueError: the bytes are no node key; see `read_public_key`.
    """
    known = read_public_key(key) if isinstance(key, bytes) else key
    return hashlib.sha256(known.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _problems_of(sites: Mapping[str, str], study: str) -> list[Problem]:
    holders = {key: [name for name in sites if sites[name] == key] for key in sites.values()}
    named = [Problem(problem_of_name(name), where="sites") for name in sites if problem_of_name(name)]
    keys = [
        Problem(f"must be 64 hexadecimal digits, in small letters, got {key[:80]!r}", _AGAIN, where=f"sites.{name}")
        for name, key in sites.items()
        if not _DIGEST.fullmatch(key)
    ]
    shared = [
        Problem(f"{' and '.join(names)} have one key", "every site needs a key of its own", where="sites")
        for names in holders.values()
        if len(names) > 1
    ]
    found = [*named, *keys, *shared]
    if not sites:
        found.append(Problem("names no site", _AGAIN, where="sites"))
    if len(study) > _MOST_LETTERS or not study.isprintable():
        found.append(Problem(f"must be one line of at most {_MOST_LETTERS} letters, got {study[:80]!r}", where="study"))
    return found


def _root(path: Path) -> yaml.Node | None:
    """The file's content, parsed but not yet read as values: an alias costs nothing, and no digest is a number.

    Raises:
        ValueError: it is absent, no plain file, too large or no YAML.
    """
    if path.is_symlink() or not path.is_file():
        what = "must be a file, not a link or a folder" if path.is_symlink() or path.exists() else "no such file"
        raise unusable(what, _AGAIN, file=path.name)
    if (size := path.stat().st_size) > _MOST_BYTES:
        raise unusable(f"has {size:,} bytes; a roster has at most {_MOST_BYTES:,}", _AGAIN, file=path.name)
    try:
        return yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise unusable(f"cannot be read as YAML: {error}", _AGAIN, file=path.name) from error


def _entries(node: yaml.Node | None, where: str, problems: list[Problem]) -> dict[str, yaml.Node]:
    """The section's entries by key; a key that stands twice is a problem, for YAML takes the last in silence."""
    if not isinstance(node, yaml.MappingNode):
        is_absent = node is None or (isinstance(node, yaml.ScalarNode) and not node.value)
        if not is_absent:
            problems.append(Problem("must be a section, a line a site", _AGAIN, where=where or "the file"))
        return {}
    counts = Counter(_text(key) for key, _ in node.value)
    problems += [
        Problem(f"{name[:80]!r} stands there {count} times", _AGAIN, where=where)
        for name, count in counts.items()
        if count > 1
    ]
    return {_text(key): value for key, value in node.value}


def _text(node: yaml.Node) -> str:
    """What is written there; for what is more than text, what fits neither a name nor a digest."""
    return str(node.value) if isinstance(node, yaml.ScalarNode) else "\na list or section"
