"""What all sites must have alike to answer under masks, told to each by digest: its own are checked there."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from modalities.core.parts import modality_of, scoring_parts
from server.phases.sites import Sites
from server.state.study import StudyState
from strategies.masked_exchange.wire import AGREED, BRANCHES, digest_of_arrays, digest_of_branches
from strategies.wire import FUSION, Weights


def agreed_on(
    sites: Sites, head: Mapping[str, Weights], branches: Mapping[str, Weights] = MappingProxyType({})
) -> dict[str, Any]:
    """The digests of the kept outputs' branches and of the head, which is given by owner; nothing without masks.

    `branches` are those that go out themselves, by modality.
    """
    if sites.keyring is None:
        return {}
    owned = {f"{FUSION}{owner}": arrays for owner, arrays in head.items()}
    parts = {part: digest_of_arrays(arrays) for part, arrays in {**owned, **branches}.items()}
    return {AGREED: json.dumps({**branch_digests(sites.study), **parts}, sort_keys=True)}


def branch_digests(study: StudyState) -> dict[str, str]:
    """Of the parts whose outputs the sites keep."""
    fusion = study.federation.fusion
    names = sorted({modality_of(part) for part in study.weights})
    scored = {name: {part: study.weights[part] for part in scoring_parts(name, fusion)} for name in names}
    return {f"{BRANCHES}{name}": digest_of_branches(parts, name) for name, parts in scored.items()}
