"""A site that fails, lies or falls silent: the run goes on, says so, and is what it would be without that site."""

import shutil
from collections import defaultdict

import numpy as np
import pytest
from flwr.app import ConfigRecord, Error, Message, RecordDict

import client.app
from server.phases.fusion import NOT_FITTED
from server.state.study import StudyState
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
TWO_ROUNDS = small_federation(fusion__rounds=1)
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


# ---- introductions


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


# ---- nobody is left


PHASES = {
    "query.capabilities": "no site takes part in this study; the sites' logs say why",
    "query.statistics": "cnv: no site sent usable statistics; the sites' logs say why",
    "query.setup": "no site took in the settings; the sites' logs say why",
    "train.branches": r"cnv: 0 of the at least 1 sites that min_holders asks for \(held by site_1, site_2, site_3\); "
    "hif: .*; everything until now is kept: see to it that these sites are connected and that their logs show no "
    "error, then resume",
    "train.fusion": r"fusion: cnv: 0 of at least 2 sites that have it beside another modality \(held by .* resume",
}


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("kind", ["errors", "silence"])
def test_when_every_site_fails_the_run_stops_with_one_clear_message_and_can_be_resumed(
    root, whole, tmp_path, phase, kind
):
    def of_phase(message):
        return message.metadata.message_type == phase

    faults = {
        "errors": {
            "falsifies": lambda asked, reply: Message(Error(2, SECRET), reply_to=asked) if of_phase(asked) else None
        },
        "silence": {"loses": of_phase},
    }
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(RuntimeError, match=f"^{PHASES[phase]}$"):
        run_small(root, FEDERATION, WatchedGrid(root, **faults[kind]), timeout=0.1, checkpoint=path)
    assert same_study(run_small(root, FEDERATION, checkpoint=path), whole)


def test_when_every_site_fails_in_a_later_round_the_rounds_before_are_kept(root, tmp_path):
    def fails(asked, reply):
        return Message(Error(2, SECRET), reply_to=asked) if asked.metadata.group_id == "2" else None

    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(RuntimeError, match="cnv: 0 of the at least 1 sites"):
        run_small(root, TWO_ROUNDS, WatchedGrid(root, falsifies=fails), checkpoint=path)
    grid = WatchedGrid(root)
    resumed = run_small(root, TWO_ROUNDS, grid, checkpoint=path)
    assert same_study(resumed, run_small(root, TWO_ROUNDS))
    rounds = {message.metadata.group_id for message in grid.asked if message.metadata.message_type == "train.branches"}
    assert rounds == {"2"}


def test_too_few_nodes_are_waited_for_and_then_named(root):
    with pytest.raises(RuntimeError, match="3 of 4 sites are there after 0 s"):
        run_small(root, FEDERATION, sites=4, wait=0.0)


@pytest.mark.parametrize("absent", ["wait", "skip"])
def test_a_modality_whose_only_holder_fails_in_training_keeps_its_first_weights(tmp_path, absent):
    """The study then waits for that site, or goes on without that modality's rounds; no head is fitted on one site."""
    federation = small_federation(modalities__hif__federated__absent=absent)
    root = write_sites(tmp_path, federation, [("cnv",), ("hif", "cnv")], [23, 19])

    def fails(asked, reply):
        is_bad = site_number(asked) == 2 and "train" in asked.metadata.message_type
        return Message(Error(2, ""), reply_to=asked) if is_bad else None

    grid = WatchedGrid(root, 2, falsifies=fails)
    if absent == "wait":
        with pytest.raises(RuntimeError, match=r"^hif: 0 of .* \(held by site_2\)"):
            run_small(root, federation, grid, checkpoint=tmp_path / "c")
    else:
        run_small(root, federation, grid, checkpoint=tmp_path / "c")
    study = StudyState.load(tmp_path / "c", federation)
    first = next(m for m in grid.asked if m.metadata.message_type == "train.branches" and "arrays.hif" in m.content)
    sent = all_arrays(first.content)["arrays.hif"]
    assert all(study.weights["hif"][name].tobytes() == array.tobytes() for name, array in sent.items())
    assert study.progress["cnv"].rounds == 2
    assert study.progress["hif"].rounds == {"wait": 0, "skip": 2}[absent]
    reasons = [note.text for note in study.notes if note.part == "hif" and note.text != NOT_FITTED]
    few = "0 of the at least 1 sites that min_holders asks for"
    assert reasons == {"wait": [f"waits: {few}"], "skip": [f"round {n} skipped: {few}" for n in (1, 2)]}[absent]
