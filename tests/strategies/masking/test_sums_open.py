"""Masked sums of real members: they open to the plain sum, with sites late, gone or silent, and to nothing else."""

import itertools

import numpy as np
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from strategies.masking.keys import Run, Secrets
from strategies.masking.labels import Label, threshold
from strategies.masking.member import boxes, mask, opening
from strategies.masking.numbers import WEIGHTS
from strategies.masking.opening import open_sum
from strategies.masking.vectors import Vector

RUN = Run("settings", "roster", "7")
FIXED = WEIGHTS[64]


class Group:
    """Members with plain vectors, and what each sent."""

    def __init__(self, n_sites, question="q", seed=0, fixed=FIXED):
        rng = np.random.default_rng(seed)
        self.names = [f"site_{number:02d}" for number in range(n_sites)]
        private = {name: X25519PrivateKey.generate() for name in self.names}
        keys = {name: key.public_key().public_bytes_raw() for name, key in private.items()}
        self.secrets = {name: Secrets(RUN, name, private[name], keys) for name in self.names}
        self.label = Label(RUN.study, RUN.number, "cnv", self.names, keys, question)
        self.least = threshold(n_sites, 3)
        self.plain = {name: (rng.normal(size=11) * 3, rng.normal(size=5) * 1e6) for name in self.names}
        self.fixed = fixed

    def vector(self, name):
        weights, sums = self.plain[name]
        return Vector.of([weights], sums, self.fixed, len(self.names))

    def masked(self, name):
        vector = self.vector(name)
        mask(self.secrets[name], self.label, vector)
        return vector

    def given(self, helpers, survivors):
        """What the helpers answer when the survivors' sum is to be opened."""
        sealed = {name: boxes(self.secrets[name], self.label, self.least) for name in survivors}
        return {
            helper: opening(
                self.secrets[helper],
                self.label,
                self.least,
                survivors,
                {name: sealed[name][self.names.index(helper)] for name in survivors},
            )
            for helper in helpers
        }

    def opened(self, survivors, helpers):
        total = self.masked(survivors[0])
        for name in survivors[1:]:
            total.add(self.masked(name))
        open_sum(total, self.names, survivors, self.given(helpers, survivors), self.least)
        return total.numbers(self.fixed)

    def expected(self, survivors):
        return [sum(self.plain[name][which] for name in survivors) for which in (0, 1)]


@pytest.mark.parametrize(
    ("n_sites", "n_dropped", "n_silent"),
    [(3, 0, 0), (5, 0, 1), (5, 1, 0), (7, 1, 1), (7, 2, 0), (13, 2, 2), (13, 4, 0)],
)
def test_the_sum_opens_with_sites_that_dropped_out_and_sites_that_fell_silent(n_sites, n_dropped, n_silent):
    group = Group(n_sites)
    survivors = group.names[n_dropped:]
    weights, sums = group.opened(survivors, survivors[: len(survivors) - n_silent])
    expected_weights, expected_sums = group.expected(survivors)
    assert np.abs(weights - expected_weights).max() <= n_sites * FIXED.rounding
    assert np.abs(sums / expected_sums - 1).max() < 1e-14


def test_too_few_helpers_open_nothing():
    group = Group(5)
    with pytest.raises(ValueError, match="3 sites helped to open the sum, and it takes 4"):
        group.opened(group.names, group.names[:3])


def test_thresholds_are_more_than_two_thirds_and_at_least_what_is_asked():
    assert [threshold(n, 3) for n in (3, 4, 5, 6, 12, 13, 100)] == [3, 3, 4, 5, 9, 9, 67]
    assert threshold(5, 5) == 5


def test_a_masked_vector_of_one_question_is_no_mask_of_another():
    once, again = Group(3), Group(3)
    again.secrets, again.label = (
        once.secrets,
        Label(RUN.study, RUN.number, "cnv", once.names, once.label.keys, "another"),
    )
    difference = once.masked("site_00").weights - again.masked("site_00").weights
    assert len(set(difference.tolist())) == 11
    assert 0 not in difference


def test_the_same_question_gives_the_same_bits_and_the_same_shares():
    group = Group(4)
    assert group.masked("site_01").digest() == group.masked("site_01").digest()
    assert group.given(["site_02"], group.names) == group.given(["site_02"], group.names)


def test_sites_that_were_asked_different_things_add_up_to_noise():
    """A server that sends one site other weights than the others learns nothing of any answer."""
    group, other = Group(3), Group(3, "other weights")
    other.secrets = group.secrets
    other.label = Label(RUN.study, RUN.number, "cnv", group.names, group.label.keys, "other weights")
    total = group.masked("site_00")
    total.add(group.masked("site_01"))
    total.add(other.masked("site_02"))
    open_sum(total, group.names, group.names, group.given(group.names, group.names), group.least)
    weights, _ = total.numbers(FIXED)
    assert np.abs(weights - group.expected(group.names)[0]).min() > 1


def test_no_share_of_a_pair_of_survivors_is_given():
    group = Group(5)
    survivors = group.names[:4]
    given = group.given(["site_00"], survivors)["site_00"]
    assert {survivor: len(shares) for survivor, shares in given.items()} == dict.fromkeys(survivors, 2)


def test_what_fewer_than_the_threshold_know_says_nothing_of_a_secret():
    """With one share short, every value is as likely: for each guess there is a polynomial through the shares known."""
    from strategies.masking.shares import PRIME, joined, split, weights_at_zero

    shares = split((5).to_bytes(32, "big"), 4, [17, 23])
    for guess in (0, 5, 12345):
        known = {0: guess.to_bytes(32, "big"), 1: shares[0], 2: shares[1]}
        weights = weights_at_zero([0, 1, 2])
        assert joined(known, weights) == guess.to_bytes(32, "big")
    assert all(
        joined({point: shares[point - 1] for point in points}, weights_at_zero(points)) == (5).to_bytes(32, "big")
        for points in itertools.combinations(range(1, 5), 3)
    )
    assert split((5).to_bytes(32, "big"), 2, [17, 23])[1] == ((5 + 17 * 2 + 23 * 4) % PRIME).to_bytes(32, "big")


def test_a_box_that_was_changed_or_is_of_another_sum_is_not_read():
    group = Group(3)
    secrets, label = group.secrets, group.label.digest
    sealed = secrets["site_00"].box("site_01", label, b"a share")
    assert secrets["site_01"].unbox("site_00", label, sealed) == b"a share"
    assert b"a share" not in sealed
    for changed, of in ((sealed[:-1] + b"x", label), (sealed, bytes(32))):
        with pytest.raises(InvalidTag):
            secrets["site_01"].unbox("site_00", of, changed)
    with pytest.raises(InvalidTag):
        secrets["site_02"].unbox("site_00", label, sealed)


def test_32_bits_open_within_their_rounding():
    group = Group(5, fixed=WEIGHTS[32])
    weights, sums = group.opened(group.names, group.names)
    assert np.abs(weights - group.expected(group.names)[0]).max() <= 5 * 2.0**-16
    assert np.abs(sums / group.expected(group.names)[1] - 1).max() < 1e-14
