"""Real sites under masks in a study that keeps an epsilon: what each books, and whom the limit stops."""

import json
from dataclasses import replace

import numpy as np
import pytest

from client.study.spent import read_spent
from strategies.wire import CONFIG
from tests.masked_sites import MaskedSites
from tests.server.phases.test_study_private import ROUNDS, private_federation

FEDERATION = private_federation(masking="required")


@pytest.fixture
def sites(tmp_path):
    return MaskedSites(tmp_path, FEDERATION)


def largest_difference(one, other):
    pairs = [(array, other.weights[part][name]) for part, own in one.weights.items() for name, array in own.items()]
    return max(np.abs(before - after).max() for before, after in pairs)


def test_every_site_books_the_study_once_and_each_of_its_releases(sites):
    study = sites.run()
    assert study.finished
    assert study.notes == []
    for name in sites.names:
        spent = read_spent(sites.home(name))
        assert [booking["epsilon"] for booking in spent.bookings] == [8.0]
        assert spent.given(FEDERATION.digest) == 2 * ROUNDS
        assert spent.accounted(FEDERATION.digest) == 2 * ROUNDS
        logged = [json.loads(line) for line in sites.home(name).audit.read_text("utf-8").splitlines()]
        assert sum(entry.get("epsilon", 0.0) for entry in logged) == 8.0


def test_a_study_that_is_run_again_gets_the_same_answers_and_spends_nothing(sites):
    first, again = sites.run(), sites.run()
    assert largest_difference(first, again) == 0
    assert all(read_spent(sites.home(name)).epsilon == 8.0 for name in sites.names)


def test_a_coordinator_that_says_many_sites_hold_it_makes_no_share_of_noise_smaller(sites):
    def many(message):
        if message.metadata.message_type == "query.setup":
            for name in FEDERATION.modalities:
                message.content[CONFIG + name]["holders"] = 1000

    honest = sites.run()
    assert largest_difference(honest, sites.run(sites.grid(many))) == 0


def test_the_limit_of_one_site_stops_its_second_study_with_both_numbers(sites):
    sites.run()
    settings = sites.root / "site_2" / "site.yaml"
    settings.write_text(settings.read_text().replace("policy:\n", "policy:\n  max_epsilon: 10.0\n"))
    sites.federation = replace(FEDERATION, seed=4)
    for name in sites.names:
        (sites.root / name / "agreed.yaml").write_text(sites.federation.to_json(), "utf-8")
    second = sites.run()
    assert second.finished
    assert second.cohorts["site_2"] == {}
    said = "this study would spend epsilon 8, and 8 of 10 is spent (policy.max_epsilon in site.yaml)"
    assert said in sites.complaints("site_2")[-1]
    spent = {name: read_spent(sites.home(name)).epsilon for name in sites.names}
    assert spent == {**dict.fromkeys(sites.names, 16.0), "site_2": 8.0}
