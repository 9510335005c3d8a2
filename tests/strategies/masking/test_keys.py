"""A peer's key for a run is taken only if the node key of the roster signed it, for this run and this site."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from strategies.masking.keys import Run, advertised, refused_adverts
from strategies.masking.roster import Roster, key_digest

RUN = Run("settings", "roster", "7")
NODES = {site: generate_private_key(SECP384R1()) for site in ("north", "south", "west")}
ROSTER = Roster({site: key_digest(key.public_key()) for site, key in NODES.items()})
ADVERTS = {site: advertised(RUN, site, X25519PrivateKey.generate(), key) for site, key in NODES.items()}


def test_sites_of_the_roster_with_keys_that_they_signed_are_taken():
    assert refused_adverts(RUN, ROSTER, list(ADVERTS.values())) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (replace(ADVERTS["south"], public=bytes(32)), "south: a key for this run that its node key did not sign"),
        (replace(ADVERTS["south"], signature=b""), "south: a key for this run that its node key did not sign"),
        (
            advertised(replace(RUN, number="8"), "south", X25519PrivateKey.generate(), NODES["south"]),
            "south: a key for this run that its node key did not sign",
        ),
        (
            advertised(RUN, "south", X25519PrivateKey.generate(), NODES["west"]),
            "south: another node key than the roster's",
        ),
        (advertised(RUN, "south", X25519PrivateKey.generate(), None), "south: another node key than the roster's"),
        (
            advertised(RUN, "east", X25519PrivateKey.generate(), NODES["south"]),
            "east: no site of the roster that this site approved",
        ),
        (ADVERTS["north"], "north: presented more than once"),
    ],
)
def test_what_is_wrong_with_a_peer_is_said_by_its_name(changed, said):
    assert refused_adverts(RUN, ROSTER, [ADVERTS["north"], changed, ADVERTS["west"]]) == [said]
