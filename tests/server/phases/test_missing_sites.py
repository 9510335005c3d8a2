"""A sum that lacks a site that the study knows: the fusion phase waits for it, and whatever was missing is named."""

import json

import pytest
from rich.console import Console

from modalities.core.fusion.search import Memory
from server.coordinator.live_view import view
from server.phases import attendance
from server.state.measured import METRICS
from server.state.status import read_status
from tests.server.phases.test_attendance import AWAY, BACK, asked_of, reasons
from tests.server.phases.test_masked_study import HOLDINGS as MASKED_HOLDINGS
from tests.server.phases.test_masked_study import N_CASES as MASKED_N_CASES
from tests.server.phases.test_study_resumes import PlugPulledError
from tests.support import (
    WatchedGrid,
    loses_what_was_missing,
    run_small,
    same_study,
    site_number,
    small_federation,
    write_sites,
)

FEDERATION = small_federation(fusion__rounds=6)
TWO_FITS = small_federation(
    fusion={"folds": 2, "rounds": 4, "head": "auto", "candidates": ["weighted_logits", "weighted_logits_bias"]}
)
"""Each candidate without each fold, then the chosen one on everything: five fits."""
FUSION, NO_REPLY = "train.fusion", "no reply before the deadline"
SILENT = "the study goes on without it: it was there, and did not answer with what can be used"


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch):
    monkeypatch.setattr(attendance, "_LOOK_S", 0.01)


@pytest.fixture(scope="module")
def alike(tmp_path_factory):
    """Three sites with both modalities: two are enough for the head, and the third one makes it another."""
    return write_sites(tmp_path_factory.mktemp("alike"), FEDERATION, [("cnv", "hif")] * 3)


@pytest.fixture(scope="module")
def undisturbed(alike):
    return run_small(alike, FEDERATION)


class Losing(WatchedGrid):
    """Loses the third site's replies to messages of a type, by their number from 1."""

    def __init__(self, root, message_type, numbers, **hooks):
        n_sites = len(list(root.glob("*/site.yaml")))
        super().__init__(root, n_sites, loses=self._is_lost, **hooks)
        self._type, self._numbers, self._seen = message_type, numbers, []

    def _is_lost(self, message):
        if site_number(message) != 3 or message.metadata.message_type != self._type:
            return False
        if message.metadata.message_id not in self._seen:
            self._seen.append(message.metadata.message_id)
        return self._seen.index(message.metadata.message_id) + 1 in self._numbers


def fits_of(grid, number):
    """The question of each fusion message to a site: head, fold held out, and how often it was asked in a row."""
    found = []
    for message in grid.asked:
        if site_number(message) == number and message.metadata.message_type == FUSION:
            config = message.content["config.study"]
            key = config["head"], config["held-out"]
            if not found or found[-1][0] != key:
                found.append([key, 0])
            found[-1][1] += 1
    return found


def test_a_study_that_nobody_missed_says_so(undisturbed):
    assert undisturbed.missing.rounds == {}


@pytest.mark.parametrize("number", [1, 3])
def test_a_reply_of_the_fit_that_is_late_once_is_asked_for_again(alike, undisturbed, number):
    study = run_small(alike, FEDERATION, Losing(alike, FUSION, [number]))
    assert same_study(study, undisturbed)
    assert reasons(study) == [NO_REPLY]
    assert study.missing.rounds == {}


def test_a_reply_of_the_calibration_that_is_late_is_asked_for_again(alike, undisturbed):
    for message_type in ("query.calibration", "query.conformal"):
        study = run_small(alike, FEDERATION, Losing(alike, message_type, [1]))
        assert same_study(study, undisturbed)


def test_a_site_that_did_not_keep_its_outputs_in_time_is_brought_up_to_date_before_the_fit(alike, undisturbed):
    """Its answer to the closing evaluation is lost, and it was started anew meanwhile."""

    def is_closing(message):
        return site_number(message) == 3 and message.metadata.message_type == "evaluate.branches"

    class Anew(WatchedGrid):
        def pull_messages(self, message_ids):
            found = list(super().pull_messages(message_ids))
            closing = [reply for reply in found if is_closing(self._by_id[reply.metadata.reply_to_message_id])]
            if closing and not self.is_anew:
                self.is_anew = True
                self.restart(3)
                found = [reply for reply in found if reply not in closing]
            return found

    grid = Anew(alike)
    grid.is_anew = False
    study = run_small(alike, FEDERATION, grid)
    assert grid.is_anew
    assert {name: own.tolist() for name, own in study.head.items()} == {
        name: own.tolist() for name, own in undisturbed.head.items()
    }
    assert list(study.missing.rounds["site_3"]) == ["closing evaluation of cnv", "closing evaluation of hif"]


def test_a_site_that_leaves_in_the_fit_is_waited_for(alike, undisturbed):
    looks = []

    def away(grid):
        looks.extend([1] * (asked_of(grid, 1).count(FUSION) == 2))
        return [3] if 0 < len(looks) < 9 else []

    study = run_small(alike, FEDERATION, WatchedGrid(alike, away=away))
    assert same_study(study, undisturbed)
    assert reasons(study) == [AWAY, BACK]
    assert reasons(study, "*") == ["waits: for site_3"]


def test_a_site_that_stays_away_is_waited_for_once_and_then_in_no_later_round(alike, undisturbed, tmp_path):
    def away(grid):
        return [3] if asked_of(grid, 1).count(FUSION) >= 2 else []

    grid, path = WatchedGrid(alike, away=away), tmp_path / "checkpoint.safetensors"
    study = run_small(alike, FEDERATION, grid, wait=0.0, checkpoint=path, status=tmp_path)
    rounds = list(range(3, study.fusion_rounds + 1))
    assert study.missing.rounds == {"site_3": {"fusion": rounds, "calibration": [0]}}
    assert reasons(study) == [AWAY, "the study goes on without it: it was not there for 0 s"]
    assert not same_study(study, undisturbed)
    lines = [json.loads(line) for line in (tmp_path / METRICS).read_text().splitlines()]
    fusion = [(line["sites"], line["missing"]) for line in lines if line["phase"] == "fusion"]
    assert fusion == [(3, [])] * 2 + [(2, ["site_3"])] * len(rounds)
    shown = Console(width=200)
    with shown.capture() as captured:
        shown.print(view(read_status(tmp_path)))
    assert f"not in every sum: site_3: fusion, rounds 3 to {rounds[-1]}; calibration" in captured.get()


def test_a_site_that_falls_silent_in_a_fit_is_in_no_later_round_of_it_and_asked_again_in_the_next(alike):
    """Asked three times for the second round of the second fit, then no more, though it would answer."""
    whole = WatchedGrid(alike)
    run_small(alike, TWO_FITS, whole)
    first = fits_of(whole, 3)[0][1]
    grid = Losing(alike, FUSION, range(first + 2, first + 5))
    study = run_small(alike, TWO_FITS, grid)
    assert reasons(study) == [NO_REPLY] * 3 + [SILENT]
    asked, others = fits_of(grid, 3), fits_of(grid, 1)
    assert asked[:2] == [[("weighted_logits", 1), first], [("weighted_logits", 2), 4]]
    assert [key for key, _ in asked] == [key for key, _ in others]
    assert asked[2:] == others[2:]
    of_second = others[1][1] - 2  # two of them asked in vain
    assert study.missing.rounds == {"site_3": {"fusion": list(range(first + 2, first + of_second + 1))}}


def test_a_fit_that_goes_on_without_a_site_does_so_when_it_is_resumed(alike, tmp_path):
    """Who is in the sums of the fit under way stands in the checkpoint."""
    path = tmp_path / "checkpoint.safetensors"
    whole = run_small(alike, FEDERATION, Losing(alike, FUSION, range(2, 5)))

    def pull_the_plug(event):
        if event.get("phase") == "fusion" and event.get("round") == 4:
            raise PlugPulledError("in the fit")

    with pytest.raises(PlugPulledError):
        run_small(alike, FEDERATION, Losing(alike, FUSION, range(2, 5)), checkpoint=path, report=pull_the_plug)
    grid = WatchedGrid(alike)
    study = run_small(alike, FEDERATION, grid, checkpoint=path)
    assert same_study(study, whole)
    assert FUSION not in asked_of(grid, 3)
    assert FUSION in asked_of(grid, 1)
    assert study.missing == whole.missing
    assert study.search == Memory()


def test_where_those_of_the_fit_are_too_few_all_that_are_there_are_asked(alike, tmp_path):
    """The first run ends with one site left of the fit's two; the second finds that one and another."""
    path, federation = tmp_path / "checkpoint.safetensors", FEDERATION

    def two_then_one(grid):
        asked = asked_of(grid, 1).count(FUSION)
        return [3] if asked < 2 else [2, 3]

    with pytest.raises(RuntimeError, match="1 of at least 2 sites that have it beside another modality"):
        run_small(alike, federation, WatchedGrid(alike, away=two_then_one), sites=2, wait=0.0, checkpoint=path)
    grid = WatchedGrid(alike, away=lambda grid: [2])
    study = run_small(alike, federation, grid, sites=2, wait=0.0, checkpoint=path)
    assert study.finished
    assert study.missing.rounds["site_2"]["fusion"][0] == 3
    assert FUSION in asked_of(grid, 3)


def test_a_site_that_nobody_is_to_wait_for_is_named_all_the_same(alike):
    skip = {f"modalities__{name}__federated__absent": "skip" for name in ("cnv", "hif")}
    federation = small_federation(fusion__rounds=6, **skip)
    study = run_small(alike, federation, Losing(alike, FUSION, [2]))
    assert reasons(study) == [NO_REPLY]
    assert study.missing.rounds["site_3"]["fusion"][0] == 2


def test_rounds_of_branches_and_statistics_name_whose_reply_is_not_in_them(alike, tmp_path):
    study = run_small(
        alike, FEDERATION, Losing(alike, "train.branches", [2]), checkpoint=tmp_path / "c", status=tmp_path
    )
    assert study.missing.rounds == {"site_3": {"cnv": [2], "hif": [2]}}
    lines = [json.loads(line) for line in (tmp_path / METRICS).read_text().splitlines()]
    branches = [(line["round"], line["sites"], line["missing"]) for line in lines if line["phase"] == "branches"]
    assert branches == [(1, 3, [])] * 2 + [(2, 2, ["site_3"])] * 2
    study = run_small(alike, FEDERATION, Losing(alike, "query.statistics", [1]))
    assert study.missing.rounds == {"site_3": {"statistics of cnv": [0], "statistics of hif": [0], "class counts": [0]}}


def test_under_masks_a_late_site_is_named_and_what_was_opened_is_not_asked_again(tmp_path):
    federation = small_federation(privacy__masking="required", fusion__rounds=6)
    root = write_sites(tmp_path, federation, MASKED_HOLDINGS, MASKED_N_CASES)
    grid = Losing(root, FUSION, [2])
    study = run_small(root, federation, grid)
    assert asked_of(grid, 3).count(FUSION) == 2
    assert reasons(study) == [NO_REPLY, SILENT]
    assert study.missing.rounds == {"site_3": {"fusion": list(range(2, study.fusion_rounds + 1))}}


def test_what_a_study_says_was_missing_is_enough_to_repeat_it(alike):
    """As the test of a late site does, on a machine that may be so slow that others are late too."""
    study = run_small(alike, FEDERATION, Losing(alike, "train.branches", [2]))
    lost = loses_what_was_missing(study.missing.rounds)
    assert same_study(run_small(alike, FEDERATION, WatchedGrid(alike, loses=lost)), study)
