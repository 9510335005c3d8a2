"""Which sites are also trained alone."""

from collections.abc import Sequence

import numpy as np

from modalities.core.site.cases import case_ids_of
from modalities.core.site.store import SiteData

MOST_ALONE = 30
"""Each is scored on the cases of all sites: with every one of a thousand that would be a million times."""


def sites_alone(sites: Sequence[SiteData]) -> set[str]:
    """All of up to MOST_ALONE sites, by name; of more, the smallest, the largest, and evenly between them by size.

    `sites` are all of a fold. A size is the length of the list of cases, so that every fold chooses the same.
    """
    if len(sites) <= MOST_ALONE:
        return {site.config.name for site in sites}
    sizes = {site.config.name: len(case_ids_of(site.folder, site.config)) for site in sites}
    in_order = sorted(sizes, key=lambda name: (sizes[name], name))
    return {in_order[round(place)] for place in np.linspace(0, len(in_order) - 1, MOST_ALONE)}
