"""A site that introduces itself wrongly takes no part, and the study is the one without it."""

import pytest
from flwr.app import ConfigRecord, Error, Message, RecordDict

from strategies.wire import METRICS
from tests.faults.test_sites_that_fail import BAD, FEDERATION, HOLDINGS, N_CASES, SECRET
from tests.support import (
    WatchedGrid,
    run_small,
    same_study,
    site_number,
    with_content,
    write_sites,
)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_sites(tmp_path_factory.mktemp("three"), FEDERATION, HOLDINGS, N_CASES)


@pytest.fixture(scope="module")
def without(tmp_path_factory):
    """The study of the two honest sites alone."""
    root = write_sites(tmp_path_factory.mktemp("two"), FEDERATION, HOLDINGS, N_CASES)
    (root / f"site_{BAD}" / "site.yaml").unlink()
    return run_small(root, FEDERATION)


def introduces(change):
    """The bad site introduces itself otherwise."""

    def hook(asked, reply):
        if site_number(asked) != BAD or asked.metadata.message_type != "query.capabilities":
            return None
        content = RecordDict(dict(reply.content))
        change(content)
        return with_content(reply, content)

    return hook


def calls_itself(**values):
    def change(content):
        content["config.study"] = ConfigRecord({**dict(content["config.study"]), **values})

    return change


def announces(name, n):
    def change(content):
        metrics = type(content["metrics.cnv"])({"num-examples": n})
        content[METRICS + name] = metrics

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (calls_itself(site="site_1"), "a second node calls itself 'site_1'"),
        (calls_itself(site=""), "the site did not say its name"),
        (calls_itself(site=7), "the site did not say its name"),
        (calls_itself(digest="other"), "the site understood other settings than were sent: do the versions agree?"),
        (lambda content: content.pop("config.study"), "the site did not say its name"),
        (announces("rna", 5), "it announced 'rna' with 5 cases"),
        (announces("cnv", 0), "it announced 'cnv' with 0 cases"),
        (announces("cnv", -4), "it announced 'cnv' with -4 cases"),
        (announces("cnv", 2.5), "it announced 'cnv' with 2.5 cases"),
    ],
)
def test_a_site_that_introduces_itself_wrongly_takes_no_part(root, without, change, said):
    study = run_small(root, FEDERATION, WatchedGrid(root, falsifies=introduces(change)))
    assert study.refused == [("refused", "node 2", "*", said)]
    assert same_study(study, without)


def test_an_error_before_a_site_has_said_its_name_is_told_of_by_its_place(root, without):
    def fails(asked, reply):
        return Message(Error(7, SECRET), reply_to=asked) if site_number(asked) == BAD else None

    study = run_small(root, FEDERATION, WatchedGrid(root, falsifies=fails))
    assert study.refused == [
        ("refused", "node 2", "*", "the site refused the code: does it have the coordinator's version of Tessera?")
    ]
    assert same_study(study, without)
