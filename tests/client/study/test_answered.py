"""`policy.max_rounds` counts what the site trained, whatever number a server gives a round."""

import numpy as np
import pytest
from flwr.app import ConfigRecord, RecordDict

from client.node.home import Home
from client.study.answered import count_round
from strategies.wire import to_record
from tests.client.sites import FEDERATION, RealSite
from tests.client.study.test_policy import set_policy
from tests.support import all_arrays, write_sites

MOST = 3


class Site(RealSite):
    def train(self, weights, server_round=1, part="cnv"):
        parts = {f"arrays__{part}": to_record(weights), f"config__{part}": ConfigRecord({"server-round": server_round})}
        return self.ask("train.branches", **parts)


@pytest.fixture
def site(tmp_path):
    root = write_sites(tmp_path, FEDERATION, [("cnv", "hif")], [29])
    set_policy(root, "site_1", max_rounds=MOST)
    own = Site(root)
    own.set_up()
    return own


def nudged(weights, by):
    return {name: (array + np.float32(by)).astype(np.float32) for name, array in weights.items()}


def test_a_part_is_trained_so_many_times_though_every_request_says_round_1(site, caplog):
    weights = site.weights()
    answered = [not site.train(nudged(weights, 0.01 * number)).has_error() for number in range(2 * MOST)]
    assert answered == [True] * MOST + [False] * MOST
    assert (
        "cnv: trained 3 times for a study of these settings, and policy.max_rounds in site.yaml allows no"
        in caplog.text
    )
    assert not site.train(site.weights("hif"), part="hif").has_error()  # each part has rounds of its own


def test_a_request_that_was_answered_gets_the_same_answer_and_is_not_counted(site):
    weights = site.weights()
    first = all_arrays(site.train(weights).content)
    for number in range(1, MOST):
        site.train(nudged(weights, number), server_round=1 + number)
    again = all_arrays(site.train(weights).content)
    assert again["arrays.cnv"]["head.weight"].tobytes() == first["arrays.cnv"]["head.weight"].tobytes()
    assert site.train(weights, server_round=2).has_error()  # another round of the same weights is another request


def test_another_run_of_the_study_goes_on_counting_until_the_site_leaves(site):
    weights = site.weights()
    for number in range(MOST):
        site.train(nudged(weights, number))
    site.context.state = RecordDict()  # a new run
    site.set_up()
    assert site.train(nudged(weights, MOST)).has_error()
    assert not site.train(nudged(weights, MOST - 1)).has_error()


def test_studies_and_parts_are_counted_apart(tmp_path):
    home = Home(tmp_path)
    for study, part in (("s1", "cnv"), ("s1", "cnv@1"), ("s2", "cnv")):
        for asked in ("a", "b", "a"):
            count_round(home, study, part, asked, 2)
    with pytest.raises(ValueError, match="cnv: trained 2 times for a study of these settings"):
        count_round(home, "s1", "cnv", "c", 2)
