"""Whether anything of the audit log was changed, deleted, inserted, reordered, cut off, or replaced by an older copy.

Signatures, numbers and the digest of the entry before show what was done to entries without the node key. Whoever has
that key can sign another log: only what the coordinator countersigned, and other sites witnessed, shows that.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from client.audit.log import NOTHING_BEFORE
from client.audit.reading import Entry, Log
from modalities.core.problems import Problem, note, warning
from strategies.audit.statements import ENTRY, Receipt, canonical, is_signed_by_site
from strategies.audit.tree import added, root

_PLACE = "audit.jsonl"


@dataclass(frozen=True)
class Verdict:
    """What was seen of a log."""

    entries: int
    countersigned: int
    """The first so many entries are as the coordinator countersigned them."""
    problems: list[Problem] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong with what is there."""
        return not any(problem.level == "error" for problem in self.problems)

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for `--json`."""
        return {"ok": self.ok, **asdict(self), "problems": [problem.to_dict() for problem in self.problems]}


def verdict_of(log: Log, key: EllipticCurvePublicKey, receipts: Sequence[Receipt]) -> Verdict:
    """The first thing that is wrong within the log, the first receipt that it does not fit, and what is to be known."""
    problems = [Problem(broken, file=_PLACE)] if (broken := first_broken(log.lines, log.entries(), key)) else []
    countersigned, unlike = held_against(log.lines, receipts)
    problems += [Problem(unlike, file=_PLACE)] if unlike and not broken else []
    n = len(log.lines)
    if log.torn:
        what = f"the line after entry {n} is broken off, as by a crash or a power cut while it was written"
        problems.append(warning(what, "what it told of did not leave; the next message sets it aside", file=_PLACE))
    if not receipts:
        what = "no receipt of the coordinator is here: a tail that was cut off, or an older copy, would not be seen"
        problems.append(warning(what, "give one: --receipt FILE", file=_PLACE))
    elif countersigned < n and not problems:
        verb = "is" if countersigned == n - 1 else "are"
        problems.append(note(f"{_span(countersigned + 1, n)} {verb} not countersigned yet", file=_PLACE))
    return Verdict(n, countersigned, problems)


def first_broken(lines: Sequence[bytes], entries: Sequence[Entry], key: EllipticCurvePublicKey) -> str:
    """What is wrong with the first entry that is not as it was written, in a sentence; empty if all are."""
    before = NOTHING_BEFORE
    for number, (line, entry) in enumerate(zip(lines, entries, strict=True), start=1):
        if not _is_signed(line, entry, key):
            following = entries[number] if number < len(entries) else {}
            if following.get("number") == number and following.get("before") == before:
                return f"entry {number} was inserted: nobody with this site's node key wrote the {_nth(number)} line"
            return f"entry {number} was changed: its signature is not this site's node key's for what it says"
        if entry["number"] != number:
            return _misplaced(number, entry["number"], [each.get("number") for each in entries])
        if entry["before"] != before:
            earlier = f"entry {number - 1} was changed" if number > 1 else "what came before entry 1 was deleted"
            return f"{earlier} after entry {number} was written: that names another one as the entry before it"
        before = hashlib.sha256(line).hexdigest()
    return ""


def held_against(lines: Sequence[bytes], receipts: Sequence[Receipt]) -> tuple[int, str]:
    """How many entries are as they were countersigned, and what is wrong with the first that are not."""
    nodes: list[bytes] = []
    for size, line in enumerate(lines):
        nodes += added(size, line, nodes.__getitem__)
    fits = 0
    in_order = sorted(receipts, key=lambda receipt: receipt.size)
    for receipt in in_order:
        when = f"on {receipt.time} the coordinator countersigned {receipt.size} entries"
        if receipt.size > len(lines):
            return fits, _cut_off(len(lines), in_order[-1])
        if root(receipt.size, nodes.__getitem__).hex() != receipt.root:
            if receipt.size == fits:
                return fits, f"{when}, of which {_span(1, fits)} are not those of another receipt"
            span = _span(fits + 1, receipt.size)
            return fits, f"{span}: not what was there before: {when}, and these are others, signed with the node key"
        fits = receipt.size
    return fits, ""


def _cut_off(n: int, receipt: Receipt) -> str:
    missing = f"{_span(n + 1, receipt.size)} {'is' if receipt.size == n + 1 else 'are'} missing"
    known = f"the coordinator countersigned {receipt.size} on {receipt.time}, and the log ends with entry {n}"
    return f"{missing}: {known}: its tail was cut off, or the file was replaced by an older copy"


def _is_signed(line: bytes, entry: Entry, key: EllipticCurvePublicKey) -> bool:
    """Whether the line is an entry, to the byte, that this key signed."""
    signed = {name: value for name, value in entry.items() if name != "signature"}
    try:
        is_exact = canonical(entry) == line
    except ValueError:
        return False
    return is_exact and is_signed_by_site(ENTRY, signed, str(entry.get("signature", "")), key)


def _misplaced(expected: int, number: int, numbers: Sequence[Any]) -> str:
    """What happened where another entry stands than belongs there."""
    if number < expected:
        return f"entry {number} was inserted a second time, as the {_nth(expected)} line"
    if expected in numbers:
        return f"the order was changed: entry {number} stands where entry {expected} belongs, which comes later"
    gone = _span(expected, number - 1)
    verb = "was" if number - expected == 1 else "were"
    return f"{gone} {verb} deleted: entry {number} follows {f'entry {expected - 1}' if expected > 1 else 'nothing'}"


def _span(first: int, last: int) -> str:
    return f"entry {first}" if first == last else f"entries {first} to {last}"


def _nth(number: int) -> str:
    endings = {1: "st", 2: "nd", 3: "rd"}
    return f"{number}{'th' if number % 100 in (11, 12, 13) else endings.get(number % 10, 'th')}"
