"""What every site is sent before the rounds: whose cases the statistics are of, where that points at no single site."""

import pytest

from strategies.wire import CONFIG
from tests.support import WatchedGrid, run_small, small_federation, write_sites

FEDERATION = small_federation()


@pytest.fixture(scope="module")
def setups(tmp_path_factory):
    """The setup's messages of a study of three sites, of which two hold hif."""
    root = write_sites(tmp_path_factory.mktemp("sites"), FEDERATION)
    grid = WatchedGrid(root)
    study = run_small(root, FEDERATION, grid)
    return study, [message for message in grid.asked if message.metadata.message_type == "query.setup"]


def test_of_three_sites_the_training_cases_of_all_are_sent_along(setups):
    study, messages = setups
    total = sum(cohorts["cnv"] for cohorts in study.cohorts.values())
    assert [dict(message.content[CONFIG + "cnv"]) for message in messages] == [{"holders": 3, "cases": total}] * 3


def test_of_two_sites_they_are_not_for_the_rest_would_be_the_other_s(setups):
    _, messages = setups
    asked = [message.content[CONFIG + "hif"] for message in messages if CONFIG + "hif" in message.content]
    assert [dict(one) for one in asked] == [{"holders": 2}] * 2
