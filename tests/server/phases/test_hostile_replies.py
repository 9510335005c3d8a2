"""One site sends what nobody foresaw: it is refused by name, and the study ends as it would without that."""

import numpy as np
import pytest
from flwr.app import ConfigRecord, MetricRecord, RecordDict

from server.state.study import StudyState
from strategies.wire import to_record
from tests.support import (
    WatchedGrid,
    all_arrays,
    run_small,
    same_study,
    site_number,
    small_federation,
    with_content,
    write_sites,
)

FEDERATION = small_federation(fusion__rounds=2)
HOSTILE = 1
"""The first by name, so that nothing is held against what it sent."""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_sites(tmp_path_factory.mktemp("sites"), FEDERATION, [("cnv", "hif")] * 3, [23, 19, 17])


@pytest.fixture(scope="module")
def failing(root):
    """Studies in which the hostile site fails at one kind of message, by that kind."""
    studies = {}

    def failed_at(message_type):
        if message_type not in studies:
            studies[message_type] = study_with(root, message_type, lambda content: content.clear())
        return studies[message_type]

    return failed_at


def study_with(root, message_type, change, **options):
    """The hostile site's replies to these messages are changed."""

    def falsify(asked, reply):
        if site_number(asked) != HOSTILE or asked.metadata.message_type != message_type:
            return None
        content = RecordDict(dict(reply.content))
        change(content)
        return with_content(reply, content)

    return run_small(root, FEDERATION, WatchedGrid(root, falsifies=falsify), **options)


def arrays(key, change):
    """Change the arrays of one record."""

    def changed(content):
        own = all_arrays(RecordDict({key: content[key]}))[key]
        content[key] = to_record(change(own))

    return changed


def adds(key, record):
    return lambda content: content.update({key: record})


SENT = {
    "squares of another length": ("query.statistics", arrays("arrays.cnv", lambda own: own | {"square": np.ones(9)})),
    "a sum without a length": ("query.statistics", arrays("arrays.cnv", lambda own: own | {"sum": np.array(3.0)})),
    "other names": (
        "query.statistics",
        arrays("arrays.cnv", lambda own: {f"my {name}": array for name, array in own.items()}),
    ),
    "sums that overflow": (
        "query.statistics",
        arrays("arrays.cnv", lambda own: own | {"square": np.full_like(own["square"], 1.7e308)}),
    ),
    "infinitely many cases": (
        "query.statistics",
        arrays("arrays.cnv", lambda own: own | {"cases": np.array([1e15])}),
    ),
    "weights that drown all others": (
        "train.branches",
        arrays("arrays.cnv", lambda own: {name: np.full_like(array, 3.4e38) for name, array in own.items()}),
    ),
    "a loss that is no float": (
        "train.branches",
        adds("metrics.cnv", MetricRecord({"num-examples": 3, "loss-sum": 10**400})),
    ),
    "a gradient that overflows": (
        "train.fusion",
        arrays("arrays.fusion.cnv", lambda own: {name: np.full_like(array, 1e300) for name, array in own.items()}),
    ),
    "losses that overflow": (
        "query.calibration",
        arrays("arrays.shared", lambda own: {"losses": np.full_like(own["losses"], 1.7e308)}),
    ),
    "more cases than there are": (
        "query.conformal",
        arrays("arrays.study", lambda own: {"class-counts": np.full_like(own["class-counts"], 1e15)}),
    ),
}


@pytest.mark.parametrize("what", SENT)
def test_it_is_refused_by_name_and_every_number_stays_finite(root, what):
    message_type, change = SENT[what]
    study = study_with(root, message_type, change)
    assert study.finished
    assert {note.site for note in study.refused} == {f"site_{HOSTILE}"}
    groups = [*study.weights.values(), *study.states.values(), study.head, study.calibration]
    assert all(np.isfinite(array).all() for own in groups for array in own.values())


@pytest.mark.parametrize("what", ["weights that drown all others", "a gradient that overflows", "losses that overflow"])
def test_the_study_is_the_one_in_which_it_sent_nothing(root, failing, what):
    message_type, change = SENT[what]
    if message_type == "train.branches":  # its other parts are used
        change = lambda content, spoil=change: [  # noqa: E731
            arrays(key, lambda own: {name: np.full_like(array, 3.4e38) for name, array in own.items()})(content)
            for key in list(content)
            if key.startswith("arrays.")
        ]
    assert same_study(study_with(root, message_type, change), failing(message_type))


@pytest.mark.parametrize("value", [[], b""])
@pytest.mark.parametrize("message_type", ["query.capabilities", "query.setup", "train.branches", "evaluate.branches"])
def test_a_record_of_no_size_changes_nothing(root, failing, message_type, value):
    study = study_with(root, message_type, adds("config.x", ConfigRecord({"y": value})))
    assert study.refused == []
    assert study.traffic.up["site_1"]["other"] > 0


@pytest.mark.parametrize("n", [10**6 + 1, 10**15, 10**400])
def test_a_site_that_announces_more_cases_than_any_has_takes_no_part(root, n):
    study = study_with(root, "query.capabilities", adds("metrics.cnv", MetricRecord({"num-examples": n})))
    assert set(study.cohorts) == {"site_2", "site_3"}
    (note,) = study.refused
    assert note.text == f"it announced 'cnv' with {str(n)[:40]} cases"


@pytest.mark.parametrize("name", ["x" * 41, "site\x1b[2J"])
def test_a_name_that_no_terminal_should_show_is_not_taken(root, name):
    def renamed(content):
        content["config.study"] = ConfigRecord({**content["config.study"], "site": name})

    study = study_with(root, "query.capabilities", renamed)
    assert study.refused == [
        ("refused", "node 1", "*", "its name is longer than 40 letters, or cannot be printed"),
    ]


def test_fifty_thousand_names_neither_fill_the_checkpoint_nor_the_status(root, tmp_path):
    def floods(content):
        for number in range(50_000):
            content[f"arrays.flood {number}"] = to_record({})

    path = tmp_path / "checkpoint.safetensors"
    study = study_with(root, "train.branches", floods, checkpoint=path, status=tmp_path)
    assert len(study.refused) == 2 * 4  # in each of two rounds three are named, and the rest counted
    assert (tmp_path / "status.json").stat().st_size < 20_000
    whole = tmp_path / "whole.safetensors"
    run_small(root, FEDERATION, checkpoint=whole)
    assert path.stat().st_size < whole.stat().st_size + 5_000
    assert set(StudyState.load(path, FEDERATION).traffic.table()["site_1"]) == {
        "cnv",
        "hif",
        "shared",
        "study",
        "other",
    }


def test_a_site_whose_key_is_enrolled_under_another_name_takes_no_part(root):
    grid = WatchedGrid(root)
    enrolled = dict(zip(grid.get_node_ids(), ("site_1", "north", "site_3"), strict=True))
    study = run_small(root, FEDERATION, grid, enrolled=enrolled)
    assert study.refused == [
        ("refused", "north", "*", "it calls itself 'site_2', but its key is enrolled as 'north'"),
    ]
    assert set(study.cohorts) == {"site_1", "site_3"}
