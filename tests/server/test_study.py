"""A whole study on made-up sites: it repeats, it resumes, and it copes with sites of every size."""

import shutil

import numpy as np
import pytest

from client.app import app
from modalities.core.cases import open_site
from modalities.core.example import write_example_site
from modalities.core.fusion.head import head_named, heads
from server.state import StudyState
from simulations.inline import InlineGrid
from tests.support import (
    WatchedGrid,
    all_arrays,
    run_small,
    same_arrays,
    same_study,
    site_number,
    small_federation,
    write_sites,
)

FEDERATION = small_federation()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_sites(tmp_path_factory.mktemp("sites"), FEDERATION)


@pytest.fixture(scope="module")
def whole(root):
    """The uninterrupted study."""
    return run_small(root, FEDERATION)


def test_study_ends_with_every_branch_its_copies_and_a_head(whole):
    assert whole.finished
    assert set(whole.weights) == {"cnv", "cnv@1", "cnv@2", "hif", "hif@1", "hif@2"}
    assert set(whole.head) == {"cnv.d", "hif.d", "shared.b", "shared.s"}
    assert all(np.isfinite(array).all() for own in whole.weights.values() for array in own.values())
    assert whole.refused == []
    assert {site: set(held) for site, held in whole.cohorts.items()} == {
        "site_1": {"cnv", "hif"},
        "site_2": {"cnv"},
        "site_3": {"cnv", "hif"},
    }


def test_branches_learn(whole):
    for name in ("cnv", "hif"):
        assert whole.progress[name].rounds == 2
        assert whole.progress[name].curve[0] == pytest.approx(np.log(4))  # untrained, four classes
        assert whole.progress[name].curve[-1] < whole.progress[name].curve[0]


def test_the_same_study_again_gives_the_same_bits(root, whole, tmp_path):
    other_root = write_sites(tmp_path, FEDERATION)  # fresh files, so nothing is shared but the seed
    again = run_small(other_root, FEDERATION)
    assert same_study(whole, again)
    assert again.traffic.table() == whole.traffic.table()
    assert again.progress == whole.progress


def test_another_seed_gives_other_weights(root, whole):
    other = run_small(root, small_federation(seed=4))
    assert not same_arrays(whole.weights, other.weights)


def test_which_node_a_site_is_does_not_matter(root, whole):
    """Seeds derive from the site's name, and replies are folded in the order of the names."""
    grid = InlineGrid(app, 3, {"site-root": str(root)})
    contexts = grid._contexts
    turned = dict(zip(contexts, reversed(contexts.values()), strict=True))
    grid._contexts = turned
    assert same_study(whole, run_small(root, FEDERATION, grid))


def test_the_study_tells_of_every_step(root):
    events = []
    run_small(root, FEDERATION, report=events.append)
    phases = [event["phase"] for event in events]
    assert phases[:6] == ["handshake", "statistics", "setup", "branches", "branches", "closing evaluation"]
    assert set(phases[6:-2]) == {"fusion"}
    assert phases[-2] == "calibration"
    assert phases[-1] == "finished"
    assert events[0]["sites"] == ["site_1", "site_2", "site_3"]
    assert [event["round"] for event in events[3:5]] == [1, 2]


def test_statistics_are_those_of_the_pooled_training_cases(root, whole):
    from modalities.core.store import SiteData
    from simulations.pooled import pooled_state

    sites = [SiteData(root / f"site_{number}", FEDERATION) for number in (1, 2, 3)]
    for name in ("cnv", "hif"):
        expected = pooled_state([site for site in sites if name in site.modalities], name)
        assert all(np.array_equal(whole.states[name][key], array) for key, array in expected.items())
    assert whole.class_counts == np.sum([site.class_counts() for site in sites], axis=0).tolist()


# ---- patience


def impatient(**changes):
    """A rate so high that the held-out loss soon rises again."""
    settings = {"strategy": "fedavg", "lr": 6.0, "patience": 2, "rounds": 9}
    cnv = {f"modalities__cnv__federated__{name}": value for name, value in settings.items()}
    return small_federation(**{**cnv, "modalities__hif__federated__rounds": 3, **changes})


def losses_and_weights(grid):
    """By round from 0 on: the held-out loss of the copies of cnv that were sent, and the arrays of the branch."""
    losses, weights = {}, {}
    asked = {message.metadata.message_id: message for message in grid.asked}
    for message in grid.asked:
        if message.metadata.message_type == "train.branches" and "arrays.cnv" in message.content:
            weights[int(message.metadata.group_id) - 1] = all_arrays(message.content)["arrays.cnv"]
    for reply in grid.replies:
        sent = asked[reply.metadata.reply_to_message_id]
        if sent.metadata.message_type == "train.branches" and "metrics.cnv@1" in reply.content:
            own = losses.setdefault(int(sent.metadata.group_id) - 1, [0.0, 0])
            for part in ("cnv@1", "cnv@2"):
                own[0] += reply.content[f"metrics.{part}"]["held-out-loss-sum"]
                own[1] += reply.content[f"metrics.{part}"]["held-out-n"]
    return {number: total / n for number, (total, n) in losses.items()}, weights


def test_a_branch_that_stops_getting_better_stops_and_goes_back_to_its_best_round(root):
    grid = WatchedGrid(root)
    study = run_small(root, impatient(), grid)
    losses, weights = losses_and_weights(grid)
    best = min(losses, key=losses.__getitem__)
    assert study.progress["cnv"].stop.best_round == best
    assert study.progress["cnv"].rounds == best + 3 < 9  # two rounds without a gain, seen one round later
    assert study.progress["cnv"].curve == pytest.approx(list(losses.values()))
    assert same_arrays({"cnv": study.weights["cnv"]}, {"cnv": weights[best]})
    assert study.progress["hif"].rounds == 3  # a modality's patience is its own
    assert study.best == {}


def test_a_branch_that_has_stopped_travels_no_more(root):
    grid = WatchedGrid(root)
    study = run_small(root, impatient(modalities__hif__federated__rounds=7), grid)
    late = [
        message
        for message in grid.asked
        if message.metadata.message_type == "train.branches"
        and int(message.metadata.group_id) > study.progress["cnv"].rounds
    ]
    assert late
    assert not [key for message in late for key in message.content if "cnv" in key]


def test_the_last_round_is_scored_too_where_patience_lasts_to_the_end(root):
    federation = small_federation(modalities__cnv__federated__patience=5)
    study = run_small(root, federation)
    assert len(study.progress["cnv"].curve) == 3  # before, after round 1, after round 2
    assert study.progress["cnv"].stop.best_round == 2
    unwatched = run_small(root, FEDERATION)
    assert same_arrays(study.weights, unwatched.weights)


# ---- checkpoints


class PlugPulledError(Exception):
    pass


CASES = {
    "two rounds": small_federation(fusion__rounds=1),
    "patience": impatient(modalities__hif__federated__rounds=2, fusion__rounds=1),
}


@pytest.mark.parametrize("name", ["two rounds", pytest.param("patience", marks=pytest.mark.slow)])
def test_killed_after_any_step_and_resumed_it_ends_with_the_same_bits(root, tmp_path, name):
    federation = CASES[name]
    events = []
    whole = run_small(root, federation, report=events.append)
    for killed_after in range(1, len(events)):
        path, seen = tmp_path / f"{killed_after}.safetensors", []

        def pull_the_plug(event, seen=seen, killed_after=killed_after):
            seen.append(event)
            if len(seen) == killed_after:
                raise PlugPulledError("after this step")

        with pytest.raises(PlugPulledError, match="after this step"):
            run_small(root, federation, checkpoint=path, report=pull_the_plug)
        resumed = run_small(root, federation, checkpoint=path)
        assert same_study(whole, resumed), f"killed after step {killed_after}: {events[killed_after - 1]}"
        assert resumed.progress == whole.progress


class Failing(WatchedGrid):
    """A grid that dies while the n-th group of messages is out, with one reply in hand."""

    def __init__(self, root, group):
        super().__init__(root)
        self.left, self.pulls = group, 0

    def push_messages(self, messages):
        self.left -= 1
        self.pulls = 0
        return super().push_messages(messages)

    def pull_messages(self, message_ids):
        self.pulls += 1
        if self.left == 0 and self.pulls > 1:
            raise PlugPulledError("in the middle of an exchange")
        return super().pull_messages(message_ids)


def test_killed_in_the_middle_of_any_exchange_and_resumed_it_ends_with_the_same_bits(root, tmp_path):
    federation, killed = CASES["two rounds"], 0
    whole = run_small(root, federation)
    for group in range(1, 20):
        path = tmp_path / f"{group}.safetensors"
        try:
            run_small(root, federation, Failing(root, group), checkpoint=path)
            break
        except PlugPulledError:
            killed += 1
            assert same_study(whole, run_small(root, federation, checkpoint=path)), f"killed in exchange {group}"
    assert killed >= 7  # handshake, statistics, setup, two rounds, scoring, and the rounds of the head


def test_a_finished_study_is_not_run_again(root, whole, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    run_small(root, FEDERATION, checkpoint=path)
    grid = WatchedGrid(root)
    again = run_small(root, FEDERATION, grid, checkpoint=path)
    assert grid.asked == []
    assert same_study(again, whole)


def test_a_checkpoint_of_other_settings_is_refused(root, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    run_small(root, FEDERATION, checkpoint=path)
    with pytest.raises(ValueError, match=r"study with other settings \(config digest .*restore the settings, or begin"):
        run_small(root, small_federation(seed=4), checkpoint=path)


# ---- sites of every size


def edit(root, number, text):
    path = root / f"site_{number}" / "cases.csv"
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *text(rows)]) + "\n")


def test_one_class_site_and_site_of_one_case_take_part(tmp_path):
    root = write_sites(tmp_path, FEDERATION, [("cnv", "hif")] * 4, [23, 19, 17, 13])

    def one_class(rows):
        return [f"{row.split(',')[0]},LumB,train" for row in rows]

    site = open_site(root / "site_3", FEDERATION.task)
    held = {name: site.read(name, config).case_ids for name, config in FEDERATION.modalities.items()}
    lone = next(case_id for case_id in held["cnv"] if case_id in held["hif"])
    edit(root, 2, one_class)
    edit(root, 3, lambda rows: [f"{lone},Basal,train"])
    study = run_small(root, FEDERATION)
    assert study.refused == []
    assert study.cohorts["site_3"] == {"cnv": 1, "hif": 1}
    assert all(np.isfinite(array).all() for own in study.weights.values() for array in own.values())


def test_copy_whose_fold_is_all_that_a_site_has_is_trained_by_the_others_alone(tmp_path):
    """A site of one case: the copy that holds it out must weigh that site at 0, not at 1."""
    root = write_sites(tmp_path, FEDERATION, [("cnv",), ("cnv",)], [23, 19])
    site = open_site(root / "site_2", FEDERATION.task)
    lone = site.read("cnv", FEDERATION.modalities["cnv"]).case_ids[0]
    edit(root, 2, lambda rows: [f"{lone},Basal,train"])
    federation = small_federation(
        modalities={
            "cnv": FEDERATION.to_dict()["modalities"]["cnv"] | {"federated": {"rounds": 1, "strategy": "fedavg"}}
        }
    )
    grid = WatchedGrid(root, 2)
    study = run_small(root, federation, grid)
    (first,) = [reply for reply in grid.replies if "arrays.cnv@1" in reply.content and "arrays.cnv" in reply.content][
        :1
    ]
    alone = all_arrays(first.content)["arrays.cnv@1"]
    assert all(np.allclose(study.weights["cnv@1"][name], array, atol=1e-7) for name, array in alone.items())
    assert study.refused == []


@pytest.fixture(scope="module")
def two_of_three(tmp_path_factory):
    """The study of the first and third of three sites."""
    root = write_sites(tmp_path_factory.mktemp("two"), FEDERATION, [("cnv", "hif")] * 3, [23, 19, 17])
    shutil.rmtree(root / "site_2")
    return run_small(root, FEDERATION)


@pytest.mark.parametrize(
    "rows", [[], ["site_2-case-001,,train"], ["site_2-case-001,Normal,train"], ["site_2-case-001,LumA,test"]]
)
def test_site_without_a_training_case_takes_no_part_and_the_others_go_on(tmp_path, two_of_three, rows):
    root = write_sites(tmp_path, FEDERATION, [("cnv", "hif"), ("cnv", "hif"), ("cnv", "hif")], [23, 19, 17])
    edit(root, 2, lambda _: rows)
    study = run_small(root, FEDERATION)
    assert same_study(study, two_of_three)
    assert not study.cohorts.get("site_2")
    if not rows:  # an empty list is a mistake; a list of others' cases is not
        assert [refusal["site"] for refusal in study.refused] == ["node 2"]


def test_modality_that_nobody_holds_is_named_and_the_study_goes_on_without_it(tmp_path):
    root = write_sites(tmp_path, FEDERATION, [("cnv",), ("cnv",)], [23, 19])
    study = run_small(root, FEDERATION)
    assert study.refused == [
        {"site": "*", "part": "hif", "reason": "no site holds it; the study goes on without it"},
    ]
    assert set(study.weights) == {"cnv", "cnv@1", "cnv@2"}


def test_a_single_site_with_a_single_modality_is_a_study(tmp_path):
    root = write_sites(tmp_path, FEDERATION, [("hif",)], [31])
    study = run_small(root, FEDERATION)
    assert study.head["hif.d"].tolist() == [0] * 4  # nothing to fuse


def test_site_below_its_own_least_cohort_keeps_that_modality_to_itself(tmp_path):
    root = write_sites(tmp_path, FEDERATION, [("cnv", "hif")] * 2, [23, 19])
    path = root / "site_2" / "site.yaml"
    held = len(open_site(root / "site_2", FEDERATION.task).cases)
    path.write_text(path.read_text().replace("min_cohort: 0", f"min_cohort: {held + 1}"))
    grid = WatchedGrid(root, 2)
    study = run_small(root, FEDERATION, grid)
    assert study.cohorts == {"site_1": study.cohorts["site_1"], "site_2": {}}
    assert {message.metadata.dst_node_id for message in grid.asked[2:]} == {1000}


@pytest.mark.parametrize("fit", ["tune", "none"])
def test_other_ways_to_fit_the_head_go_through(root, fit):
    study = run_small(root, small_federation(fusion__fit=fit))
    assert set(study.weights) == {"cnv", "hif"}
    assert study.finished
    moved = bool(np.abs(study.head["cnv.d"]).sum())
    assert moved == (fit == "tune")


# ---- other heads, on the branches of the whole study


def refitted(root, whole, grid=None, **changes):
    """Another head on the same frozen branches."""
    federation = small_federation(**changes)
    start = StudyState(federation, dict(whole.states), weights=dict(whole.weights), frozen=["cnv", "hif"])
    return run_small(root, federation, grid, start)


SMALL_NETWORK = {"width": 4, "layers": 1, "attention_heads": 2, "rounds": 3}


@pytest.mark.parametrize("head", sorted(heads()))
def test_every_head_is_fitted_in_a_federation_and_a_site_gets_nothing_of_what_it_lacks(root, whole, head):
    grid = WatchedGrid(root)
    study = refitted(root, whole, grid, fusion__head=head, fusion__rounds=2, fusion__network=SMALL_NETWORK)
    assert study.head_name == head
    assert study.refused == []
    before = head_named(head).initial({"cnv": 1, "hif": 1}, 4, study.federation.fusion, 0)
    assert set(study.head) == set(before)
    assert all(np.isfinite(array).all() for array in study.head.values())
    asked = [message for message in grid.asked if message.metadata.message_type == "train.fusion"]
    assert bool(asked) == bool(before)
    assert all(site_number(message) != 2 for message in asked)  # it has copy number only: nothing to fuse


def test_auto_takes_the_head_of_least_out_of_fold_loss_and_names_it(root, whole):
    names = ["mean", "weighted_logits_bias", "gated"]
    study = refitted(root, whole, fusion__head="auto", fusion__candidates=names)
    assert list(study.out_of_fold) == names
    assert study.head_name == min(names, key=lambda name: study.out_of_fold[name])
    for name in names:
        alone = refitted(root, whole, fusion__head=name)
        assert alone.out_of_fold == {}
        assert (name == study.head_name) == same_arrays({"": alone.head}, {"": study.head})


def test_a_networks_fit_that_is_killed_in_any_round_ends_with_the_same_bits(root, whole, tmp_path):
    """Three fits with a fold left out and the last one: killed in each exchange of the phase."""
    federation = small_federation(fusion__head="intermediate", fusion__network={**SMALL_NETWORK, "rounds": 2})

    def start():
        return StudyState(federation, dict(whole.states), weights=dict(whole.weights), frozen=["cnv", "hif"])

    finished = run_small(root, federation, start=start())
    killed = 0
    for group in range(5, 30):
        path = tmp_path / f"{group}.safetensors"
        try:
            run_small(root, federation, Failing(root, group), start(), checkpoint=path)
            break
        except PlugPulledError:
            killed += 1
            resumed = run_small(root, federation, checkpoint=path)
            assert same_arrays({"": finished.head}, {"": resumed.head}), f"killed in exchange {group}"
            assert resumed.fusion_rounds == finished.fusion_rounds
    assert killed >= finished.fusion_rounds - 1


# ---- frozen branches


def test_a_modality_is_added_without_touching_the_branches_of_a_finished_study(root, whole):
    alone = small_federation(modalities={"cnv": FEDERATION.to_dict()["modalities"]["cnv"]})
    first = run_small(root, alone)
    before = {part: dict(own) for part, own in first.weights.items()}
    start = StudyState(FEDERATION, dict(first.states), weights=dict(first.weights), frozen=["cnv"])
    grid = WatchedGrid(root)
    both = run_small(root, FEDERATION, grid, start=start)
    assert same_arrays(before, {part: both.weights[part] for part in before})
    assert same_arrays({"cnv": first.states["cnv"]}, {"cnv": both.states["cnv"]})
    trained = [message for message in grid.asked if message.metadata.message_type == "train.branches"]
    assert not [key for message in trained for key in message.content if "cnv" in key]
    # and as both are seeded by their own names, the outcome is that of training them together
    assert same_study(both, whole)


def test_a_frozen_branch_that_no_site_holds_any_more_still_predicts(root, tmp_path):
    from modalities.core.store import SiteData
    from server.release import fitted_model

    first = run_small(root, FEDERATION)
    left = write_sites(tmp_path, FEDERATION, [("hif",), ("hif",)], [29, 17])
    start = StudyState(FEDERATION, dict(first.states), weights=dict(first.weights), frozen=["cnv", "hif"])
    study = run_small(left, FEDERATION, start=start)
    model = fitted_model(study)
    data = SiteData(root / "site_1", FEDERATION)
    case_ids = list(data.site.cases.index)
    found = model.probabilities(model.outputs({name: data.cases(name) for name in ("cnv", "hif")}, case_ids))
    assert np.isfinite(found).any(axis=1).sum() > 20


def test_example_sites_need_no_files_from_anybody(tmp_path):
    folder = write_example_site(tmp_path, FEDERATION, 6)
    assert folder.name == "site_7"
    assert open_site(folder, FEDERATION.task).offers(["cnv", "hif"]) == ["hif"]  # the seventh lacks the first
