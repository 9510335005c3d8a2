"""A site that fails, lies or falls silent: the run goes on, says so, and is what it would be without that site."""

import shutil
from collections import defaultdict

import numpy as np
import pytest
from flwr.app import ConfigRecord, Error, Message, RecordDict

import client.app
from strategies.wire import ARRAYS, METRICS, parts_in, to_record
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

FEDERATION = small_federation(
    fusion__rounds=1, modalities__cnv__federated__rounds=1, modalities__hif__federated__rounds=1
)
HOLDINGS, N_CASES = [("cnv", "hif")] * 3, [23, 19, 17]
SECRET = "TCGA-BH-A0B3 of /home/north/patients.csv"
BAD = 2
"""The site that fails is the one in the middle."""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_sites(tmp_path_factory.mktemp("three"), FEDERATION, HOLDINGS, N_CASES)


@pytest.fixture(scope="module")
def whole(root):
    return run_small(root, FEDERATION)


@pytest.fixture(scope="module")
def without(tmp_path_factory):
    """The study of the two honest sites alone."""
    root = write_sites(tmp_path_factory.mktemp("two"), FEDERATION, HOLDINGS, N_CASES)
    (root / f"site_{BAD}" / "site.yaml").unlink()
    return run_small(root, FEDERATION)


def with_arrays(reply, change):
    """The reply with every group of arrays changed."""
    content = RecordDict(dict(reply.content))
    for part in parts_in(content):
        content[ARRAYS + part] = to_record(
            change({name: a.numpy().copy() for name, a in content[ARRAYS + part].items()})
        )
    return with_content(reply, content)


def not_a_number(arrays):
    return {name: np.full_like(array, np.nan) if array.dtype.kind == "f" else array for name, array in arrays.items()}


def wrong_shape(arrays):
    return {name: np.concatenate([np.atleast_1d(array)] * 2) for name, array in arrays.items()}


def missing_key(arrays):
    return dict(list(arrays.items())[1:])


def garbled(reply):
    content = RecordDict(dict(reply.content))
    for key in list(content):
        if key.startswith((ARRAYS, METRICS)):
            content[key] = ConfigRecord({"hello": "world"})
    return with_content(reply, content)


def from_another_node(reply):
    reply.metadata.__dict__["_src_node_id"] = 1000
    return reply


FAULTS = {
    "an error with its text": (
        lambda asked, reply: Message(Error(2, SECRET), reply_to=asked),
        {"the site reported a failure; its own log says more"},
    ),
    "not a number": (lambda asked, reply: with_arrays(reply, not_a_number), {"is not finite"}),
    "a wrong shape": (lambda asked, reply: with_arrays(reply, wrong_shape), {"expected"}),
    "a missing key": (lambda asked, reply: with_arrays(reply, missing_key), {"missing or unknown"}),
    "no arrays at all": (lambda asked, reply: with_content(reply, RecordDict()), {"missing from the reply"}),
    "records of another kind": (lambda asked, reply: garbled(reply), {"no arrays or no metrics"}),
    "another site's identity": (
        lambda asked, reply: from_another_node(reply),
        {"the reply came from another node than the one asked"},
    ),
}


def bad_replies(falsify, only=lambda asked: True):
    """Falsifies what the bad site sends once it has introduced itself."""

    def hook(asked, reply):
        is_bad = site_number(asked) == BAD and asked.metadata.message_type != "query.capabilities"
        return falsify(asked, reply) if is_bad and only(asked) else None

    return hook


def reasons_of(study, site=f"site_{BAD}"):
    return {refusal.text for refusal in study.refused if refusal.site == site}


@pytest.mark.parametrize("name", FAULTS)
def test_study_with_a_bad_site_is_the_study_without_it(root, without, name):
    falsify, said = FAULTS[name]
    study = run_small(root, FEDERATION, WatchedGrid(root, falsifies=bad_replies(falsify)))
    assert study.finished
    assert same_study(study, without)
    assert {refusal.site for refusal in study.refused} == {f"site_{BAD}"}
    found = reasons_of(study)
    assert all(any(words in reason for reason in found) for words in said)
    assert SECRET not in str(study.refused)


@pytest.mark.parametrize("silent", [1, 2, 3])
def test_a_site_that_falls_silent_is_left_out_after_the_deadline(tmp_path, silent):
    root = write_sites(tmp_path / "three", FEDERATION, HOLDINGS, N_CASES)
    grid = WatchedGrid(
        root,
        loses=lambda asked: site_number(asked) == silent and asked.metadata.message_type != "query.capabilities",
    )
    study = run_small(root, FEDERATION, grid, timeout=0.1)
    shutil.rmtree(root / f"site_{silent}")
    assert same_study(study, run_small(root, FEDERATION))
    assert reasons_of(study, f"site_{silent}") == {"no reply before the deadline"}


def test_a_site_that_never_answers_is_left_out_from_the_start(root, without):
    grid = WatchedGrid(root, loses=lambda asked: site_number(asked) == BAD)
    study = run_small(root, FEDERATION, grid, timeout=0.1)
    assert same_study(study, without)
    assert study.refused == [("refused", "node 2", "*", "no reply before the deadline")]


@pytest.mark.parametrize("lost", ["query.setup", "query.statistics"])
def test_a_site_that_misses_a_phase_is_told_of_and_the_study_goes_on(root, lost):
    grid = WatchedGrid(root, loses=lambda asked: site_number(asked) == BAD and asked.metadata.message_type == lost)
    study = run_small(root, FEDERATION, grid, timeout=0.1)
    assert study.finished
    assert "no reply before the deadline" in reasons_of(study)


def test_a_site_that_really_raises_sends_a_code_and_not_a_word_of_why(root, without, monkeypatch, caplog):
    def raising(real):
        def at_the_bad_site(first, *args, **kwargs):
            data = getattr(first, "data", first)  # of a ClientStudy, or the SiteData itself
            if data.site.name == f"site_{BAD}":
                raise KeyError(SECRET)
            return real(first, *args, **kwargs)

        return at_the_bad_site

    for name in ("train_part", "score_part", "fusion_answer", "sums_of"):
        monkeypatch.setattr(client.app, name, raising(getattr(client.app, name)))
    grid = WatchedGrid(root)
    with caplog.at_level("ERROR", logger="tessera.client"):
        study = run_small(root, FEDERATION, grid)
    assert same_study(study, without)
    assert reasons_of(study) <= {
        "the site reported a failure; its own log says more",
        "it was started anew and lacks what it was sent in this run; it gets that again",
    }
    assert SECRET in caplog.text  # the site's own log has it
    for message in (*grid.asked, *grid.replies):
        text = repr(message.content) if message.has_content() else repr(message.error)
        assert "A0B3" not in text
        assert "patients" not in text
        assert "KeyError" not in text


def test_parts_that_nobody_asked_for_are_refused_and_the_rest_of_the_branches_is_used(root, whole):
    def adds_a_part(asked, reply):
        content = RecordDict(dict(reply.content))
        content[ARRAYS + "rna"] = to_record({"w": np.ones(3)})
        content[METRICS + "rna"] = next(iter(content.metric_records.values()), None) or content[ARRAYS + "rna"]
        return with_content(reply, content)

    def before_fusion(asked):
        return "fusion" not in asked.metadata.message_type

    study = run_small(root, FEDERATION, WatchedGrid(root, falsifies=bad_replies(adds_a_part, before_fusion)))
    assert same_study(study, whole)
    assert reasons_of(study) == {"not asked of this site"}
    assert {refusal.part for refusal in study.refused} == {"rna"}
    assert "rna" not in study.weights


def test_a_gradient_with_anything_wrong_in_it_is_not_used_at_all(root):
    """Loss and gradient must be of the same cases, or the search for the head's optimum goes astray."""

    def spoils_cnv(asked, reply):
        content = RecordDict(dict(reply.content))
        content[ARRAYS + "fusion.cnv"] = to_record({"d": np.full(4, np.nan)})
        return with_content(reply, content)

    def fusion_only(asked):
        return asked.metadata.message_type == "train.fusion"

    spoilt = run_small(root, FEDERATION, WatchedGrid(root, falsifies=bad_replies(spoils_cnv, fusion_only)))
    fails = FAULTS["an error with its text"][0]
    absent = run_small(root, FEDERATION, WatchedGrid(root, falsifies=bad_replies(fails, fusion_only)))
    assert same_study(spoilt, absent)


def test_a_bad_reply_in_one_round_costs_that_round_only(root):
    """What the others sent in round 1 is averaged by hand; in round 2 the site is back."""

    def first_round(asked):
        return asked.metadata.group_id == "1" and asked.metadata.message_type == "train.branches"

    federation = small_federation(modalities__cnv__federated__strategy="fedavg", fusion__rounds=1)
    falsify = FAULTS["not a number"][0]
    grid = WatchedGrid(root, falsifies=bad_replies(falsify, first_round))
    study = run_small(root, federation, grid)
    sent = {message.metadata.message_id: message for message in grid.asked}
    by_round = defaultdict(list)
    for reply in grid.replies:
        asked = sent[reply.metadata.reply_to_message_id]
        if asked.metadata.message_type == "train.branches":
            n = reply.content["metrics.cnv"]["num-examples"]
            by_round[asked.metadata.group_id].append((n, all_arrays(reply.content)["arrays.cnv"]["head.weight"]))
    good = [pair for pair in by_round["1"] if np.isfinite(pair[1]).all()]
    assert len(good) == 2
    expected = sum(n * array for n, array in good) / sum(n for n, _ in good)
    (second,) = {
        all_arrays(message.content)["arrays.cnv"]["head.weight"].tobytes()
        for message in grid.asked
        if message.metadata.group_id == "2" and message.metadata.message_type == "train.branches"
    }
    np.testing.assert_allclose(
        np.frombuffer(second, np.float32).reshape(expected.shape), expected, rtol=1e-5, atol=1e-8
    )
    expected = sum(n * array for n, array in by_round["2"]) / sum(n for n, _ in by_round["2"])
    np.testing.assert_allclose(study.weights["cnv"]["head.weight"], expected, rtol=1e-5, atol=1e-8)
