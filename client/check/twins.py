"""One patient under two ids: cases that agree in all that is known of them, where chance would hardly have it so."""

from collections import Counter
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import log2

from modalities.core.files.tables.delimited import listing
from modalities.core.problems import Problem, warning

SURE_BITS = 10.0
"""Two cases agree by chance once in so many halvings over all pairs of the site: 2 ** -10, one site in 1,000. The
closest strangers reach 1.4 (METABRIC's clinical records, 2,509 patients) and .8 (TCGA's calls, 718)."""

_PAIR = 2
_MOST_ALIKE = 200
"""What so many cases share tells none of them from the others."""


@dataclass(frozen=True)
class Told:
    """What a modality tells of its cases."""

    case_ids: Sequence[str] = ()
    traits: Sequence[Sequence[Hashable | None]] = ()
    """A row a case; see `modalities.core.hooks.Plausibility`."""


def twins(by_modality: Mapping[str, Told]) -> list[Problem]:
    """A warning for each set of modalities in which pairs of cases agree, naming the pairs.

    Two cases must agree in every modality that both have. Each trait that they share counts with the negative logarithm
    of its frequency here; they are told where that is more than the number of pairs explains.
    """
    rows = {name: dict(zip(told.case_ids, map(tuple, told.traits), strict=True)) for name, told in by_modality.items()}
    bits = {name: _bits(list(own.values())) for name, own in rows.items()}
    groups: dict[tuple[str, ...], list[str]] = {}
    for pair in dict.fromkeys(pair for own in rows.values() for pair in _pairs(own)):
        shared = tuple(name for name, own in rows.items() if pair[0] in own and pair[1] in own)
        if any(rows[name][pair[0]] != rows[name][pair[1]] for name in shared):
            continue
        n_cases = max(len(rows[name]) for name in shared)
        evidence = sum(bits[name][rows[name][pair[0]]] for name in shared)
        if evidence - log2(n_cases * (n_cases - 1) / 2) >= SURE_BITS:
            groups.setdefault(shared, []).append(" and ".join(pair))
    return [
        warning(
            f"{len(pairs)} pairs of cases have the very same values ({listing(pairs)}): one "
            "patient under two ids, or a row copied",
            "if they are one patient, keep one of them",
            file=" and ".join(shared),
        )
        for shared, pairs in groups.items()
    ]


def _bits(rows: Sequence[tuple[Hashable | None, ...]]) -> dict[tuple[Hashable | None, ...], float]:
    """Of each row that stands here, how much it tells: its traits' frequencies, as if they were independent.

    The commonest trait of each place, if three or more cases have it, tells nothing: two tumours without any change are
    alike in hundreds of genes. So three rows of one patient in a table of measurements are not told, and two are.
    Neither does a number at the end of its column: 0 changes, a purity of 1.
    """
    counts = [Counter(trait for trait in place if trait is not None) for place in zip(*rows, strict=True)]
    commonest = [max(count.values(), default=0) for count in counts]
    ends = [_ends(count) for count in counts]

    def bits(place: int, trait: Hashable | None) -> float:
        n = 0 if trait is None else counts[place][trait]
        is_usual = n == commonest[place] and n > _PAIR
        return log2(len(rows) / n) if n and not is_usual and trait not in ends[place] else 0.0

    return {row: sum(bits(place, trait) for place, trait in enumerate(row)) for row in set(rows)}


def _ends(traits: Collection[Hashable]) -> set[float]:
    numbers = [trait for trait in traits if isinstance(trait, float)]
    return {min(numbers), max(numbers)} if numbers else set()


def _pairs(rows: Mapping[str, tuple[Hashable | None, ...]]) -> Iterator[tuple[str, str]]:
    """Cases whose rows are the same, and tell anything."""
    alike: dict[tuple[Hashable | None, ...], list[str]] = {}
    for case_id, row in rows.items():
        if any(trait is not None for trait in row):
            alike.setdefault(row, []).append(case_id)
    for group in alike.values():
        if len(group) <= _MOST_ALIKE:
            yield from combinations(group, 2)
