"""The statistics phase at the coordinator: sums from the sites, each checked by itself before, added up."""

from collections import Counter
from collections.abc import Sequence

from strategies.checks import Refusal
from strategies.wire import Weights


def add_sums(parts: Sequence[tuple[str, Weights]], part: str) -> tuple[Weights, list[Refusal]]:
    """The sums of all sites together; `parts` is (site, sums).

    Where only the data know a length (the features of a slide's tiles), sites that differ from most are refused.
    """
    shapes = [tuple(sorted((name, array.shape) for name, array in sums.items())) for _, sums in parts]
    usual = Counter(shapes).most_common(1)
    total: Weights = {}
    refused = []
    for (site, sums), own in zip(parts, shapes, strict=True):
        if own != usual[0][0]:
            refused.append(Refusal(site, part, "other lengths than most sites: the features differ"))
        else:
            total = {name: array + total[name] if total else array.copy() for name, array in sums.items()}
    return total, refused
