"""Which sums of a study lack a site that it knows, and how that is said."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass
class Missing:
    """What each site is missing from; a site whose every answer counted is not in it."""

    rounds: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    """Site -> what was summed -> its rounds, in order; 0 where it has none."""

    def add(self, what: str, number: int | None, sites: Collection[str]) -> None:
        """These sites are not in this sum."""
        for site in sorted(sites):
            numbers = self.rounds.setdefault(site, {}).setdefault(what, [])
            if (number or 0) not in numbers:
                numbers.append(number or 0)

    def sums(self) -> dict[str, int]:
        """How many sums of each kind lack a site, or several; no site is named."""
        numbers: dict[str, set[int]] = {}
        for own in self.rounds.values():
            for what, found in own.items():
                numbers.setdefault(what, set()).update(found)
        return {what: len(found) for what, found in sorted(numbers.items())}


def said(missing: Mapping[str, Mapping[str, Sequence[int]]]) -> dict[str, str]:
    """Site -> `cnv, rounds 2 to 4, 7; calibration`; `missing` is as in `Missing.rounds`."""
    return {
        site: "; ".join(what + _rounds(numbers) for what, numbers in own.items())
        for site, own in sorted(missing.items())
    }


def _rounds(numbers: Sequence[int]) -> str:
    ranges = [f"{first} to {last}" if last > first else str(first) for first, last in _ranges(numbers) if last]
    many = len(ranges) > 1 or any(" " in one for one in ranges)
    return f", round{'s' * many} {', '.join(ranges)}" if ranges else ""


def _ranges(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and last of each unbroken run."""
    firsts = [number for number in numbers if number - 1 not in numbers]
    lasts = [number for number in numbers if number + 1 not in numbers]
    yield from zip(sorted(firsts), sorted(lasts), strict=True)
