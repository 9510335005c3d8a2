"""The site's own limits, held against whatever a server asks.

What a run config says is not covered by the approval of the code, so every number that reaches this site is checked
here, by the site's copy of the code.
"""

from modalities.core.federation import Federation
from modalities.core.site_config import Policy


def beyond_policy(policy: Policy, federation: Federation, modality: str) -> list[str]:
    """What the study's settings for this modality ask beyond what the site allows; then it takes no part with it."""
    asked = federation.modalities[modality].federated
    return [f"{modality}: {asked.rounds} rounds, this site allows {policy.max_rounds}"] * (
        asked.rounds > policy.max_rounds
    ) + [f"{modality}: {asked.local_epochs} local epochs, this site allows {policy.max_local_epochs}"] * (
        asked.local_epochs > policy.max_local_epochs
    )


def too_few_holders(policy: Policy, modality: str, n_holders: int) -> str:
    """Why this site takes no part with a modality that so many sites hold; empty where they are enough."""
    if n_holders >= policy.min_holders:
        return ""
    return (
        f"{modality}: {n_holders} sites hold it, this site takes part from {policy.min_holders} on "
        "(policy.min_holders in site.yaml)"
    )


def refuse_too_many_rounds(policy: Policy, part: str, server_round: int) -> None:
    """Refuse a round beyond the site's limit, whatever the settings said.

    Raises:
        ValueError: the round's number is higher than the site's policy allows.
    """
    if server_round > policy.max_rounds:
        raise ValueError(f"{part}: round {server_round}, this site allows {policy.max_rounds} (policy.max_rounds)")
