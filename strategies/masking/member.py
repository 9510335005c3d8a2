"""A member's two moves: a masked vector with shares for its peers, and later the shares that open the sum.

Source: Bonawitz et al. 2017, doi:10.1145/3133956.3133982, on the complete graph; the secrets of pairs are made once a
run, as in Ma et al. 2023 (Flamingo), arXiv:2308.09883. Shares go with the masked vector, so that a sum takes two trips.
"""

from collections.abc import Mapping, Sequence

from strategies.masking.keys import Secrets
from strategies.masking.labels import Label
from strategies.masking.shares import PRIME, SIZE, split
from strategies.masking.streams import numbers
from strategies.masking.vectors import Vector


def mask(secrets: Secrets, label: Label, vector: Vector) -> None:
    """Hide a vector in place: own mask, plus the masks of pairs, of which one site adds what the other takes away."""
    vector.mask(secrets.own_mask(label.digest), 1)
    for peer in label.members:
        if peer != secrets.site:
            vector.mask(secrets.pair_mask(peer, label.digest), sign_of(secrets.site, peer))


def sign_of(site: str, peer: str) -> int:
    """1 where the site adds the pair's mask, -1 where it takes it away."""
    return 1 if site < peer else -1


def boxes(secrets: Secrets, label: Label, least: int) -> list[bytes]:
    """For each member, sealed, its share of every secret of this site in this sum; empty for the site itself."""
    contents = _shares(secrets, label, least)
    return [
        b"" if peer == secrets.site else secrets.box(peer, label.digest, b"".join(shares))
        for peer, shares in zip(label.members, contents, strict=True)
    ]


def opening(
    secrets: Secrets, label: Label, least: int, survivors: Sequence[str], sealed: Mapping[str, bytes]
) -> dict[str, list[bytes]]:
    """By survivor, this site's share of its own mask, then of its pair masks with each member that dropped out.

    Never of a pair of two survivors: with their own masks, those would open single vectors. `sealed` holds the
    survivors' boxes for this site.

    Raises:
        cryptography.exceptions.InvalidTag: a box was changed.
    """
    dropped = [member for member in label.members if member not in survivors]
    opened = {}
    for survivor in survivors:
        if survivor == secrets.site:
            shares = _shares(secrets, label, least)[label.members.index(secrets.site)]
        else:
            content = secrets.unbox(survivor, label.digest, sealed[survivor])
            shares = [content[at : at + SIZE] for at in range(0, len(content), SIZE)]
        places = [label.members.index(name) for name in (survivor, *dropped)]
        opened[survivor] = [shares[place] for place in places]
    return opened


def _shares(secrets: Secrets, label: Label, least: int) -> list[list[bytes]]:
    """By receiver, its share of each secret: of the masks of pairs in the members' order, one's own at one's place."""
    n_members, needed = len(label.members), least - 1
    drawn = numbers(secrets.share_seed(label.digest), n_members * needed, PRIME)
    by_secret = []
    for place, peer in enumerate(label.members):
        is_own = peer == secrets.site
        secret = secrets.own_mask(label.digest) if is_own else secrets.pair_mask(peer, label.digest)
        by_secret.append(split(secret, n_members, drawn[place * needed : (place + 1) * needed]))
    return [list(shares) for shares in zip(*by_secret, strict=True)]
