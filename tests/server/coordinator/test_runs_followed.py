"""How a run is followed to its end: how often Flower is asked, and when another run is begun or the study given up."""

import os
from subprocess import TimeoutExpired

import pytest

from server.coordinator import runs
from server.coordinator.folder import init_study
from server.coordinator.runs import (
    FLOWER_RUN,
    Work,
    _answer,
    _follow,
    _refuse_what_cannot_run,
    _run_config,
    run_until_there,
)
from server.state.status import write_status
from server.state.study import StudyState
from strategies.bundle import digest_of_checkout
from strategies.settings import load_federation
from tests.support import small_federation

FAILED, GOES_ON, DONE = ("finished:failed", "out of memory"), ("running", ""), ("finished:completed", "")


@pytest.fixture
def study(tmp_path, monkeypatch):
    study = init_study(tmp_path / "study", ["localhost"])
    study.federation.write_text(small_federation().to_json(), encoding="utf-8")
    monkeypatch.setattr(runs, "is_up", lambda study: True)
    monkeypatch.setattr(runs, "_ASK_AGAIN_S", 0.0)
    monkeypatch.setattr(runs, "_LOOK_S", 0.0)
    return study


@pytest.fixture
def looks(monkeypatch):
    """One for each time that the follower waits before it looks again."""
    looks = []
    monkeypatch.setattr(runs.time, "sleep", looks.append)
    return looks


def flower_says(monkeypatch, looks, *answers):
    """Flower's answers, one by one; the looks before each."""
    said, asked = iter(answers), []

    def outcome(study, run_id):
        assert run_id == 7
        asked.append(len(looks))
        return next(said)

    monkeypatch.setattr(runs, "outcome", outcome)
    return asked


def training(study):
    """What `run` is to bring about."""
    return Work(study.run, study.run / "release" / "model.json")


def step(study, round_, finished=False):
    """A step of the study is done."""
    state = StudyState(load_federation(study.federation), finished=finished)
    write_status(study.run, state, {"phase": "branches", "round": round_})


# ---- one run


def test_flower_is_asked_after_twenty_looks_without_a_change_and_again_after_twenty_more(study, looks, monkeypatch):
    asked = flower_says(monkeypatch, looks, GOES_ON, FAILED)
    assert _follow(study, training(study), 7, lambda status: None) == FAILED
    assert asked == [20, 41]


def test_a_step_forward_begins_the_twenty_looks_anew(study, monkeypatch):
    looks, shown = [], []

    def look(seconds):
        looks.append(seconds)
        if len(looks) == 10:
            step(study, 2)

    monkeypatch.setattr(runs.time, "sleep", look)
    asked = flower_says(monkeypatch, looks, FAILED)
    step(study, 1)
    _follow(study, training(study), 7, lambda status: shown.append(status["round"]))
    assert asked == [30]
    assert shown == [1, 2, 2]  # the last is where it ended


def test_a_study_that_says_it_is_finished_is_asked_after_sooner(study, looks, monkeypatch):
    step(study, 3, finished=True)
    asked = flower_says(monkeypatch, looks, DONE)
    assert _follow(study, training(study), 7, lambda status: None) == DONE
    assert asked == [4]


# ---- one run after another


@pytest.fixture
def ends(study, monkeypatch):
    """Lets runs end as told, one after another, each after a step forward or without one; what was shown."""

    def run_until(*runs_):
        coming, shown = iter(enumerate(runs_, start=1)), []

        def follow(study, work, run_id, show):
            number, (end, has_stepped) = next(coming)
            if has_stepped:
                path = work.out / "checkpoint.safetensors"
                path.parent.mkdir(exist_ok=True)
                path.touch()
                os.utime(path, (number, number))
            return end

        monkeypatch.setattr(runs, "_refuse_what_cannot_run", lambda study: None)
        monkeypatch.setattr(runs, "_run_to_follow", lambda study, work: 7)
        monkeypatch.setattr(runs, "_follow", follow)
        run_until_there(study, training(study), shown.append)
        assert next(coming, None) is None
        return [status["note"] for status in shown]

    return run_until


def test_a_run_that_ends_as_completed_is_the_last(ends):
    assert ends((DONE, True)) == []


def test_a_run_that_died_is_followed_by_another_and_that_is_shown(ends):
    note = "run 7 ended as finished:failed (out of memory); going on from there"
    assert ends((FAILED, False), (FAILED, False), (DONE, True)) == [note, note]


def test_three_runs_in_a_row_without_a_step_forward_end_the_study_with_flowers_words(ends, study):
    said = rf"^3 runs in a row made no step forward: out of memory; the log is {study.flower}/superlink\.log$"
    with pytest.raises(RuntimeError, match=said):
        ends(*[(FAILED, False)] * 3)
    with pytest.raises(RuntimeError, match="no step forward: finished:stopped; the log"):
        ends(*[(("finished:stopped", ""), False)] * 3)


def test_a_step_forward_counts_the_deaths_anew_and_the_run_that_made_it_is_the_first(ends):
    two, three = [(FAILED, False)] * 2, [(FAILED, True)]
    assert len(ends(*two, *three, (FAILED, False), *three, (FAILED, False), (DONE, True))) == 6
    with pytest.raises(RuntimeError, match="3 runs in a row"):
        ends(*three, *two)


def test_a_run_that_goes_on_since_an_earlier_call_is_followed_and_none_begun(study, monkeypatch):
    submitted = []
    monkeypatch.setattr(runs, "submit", lambda study, app, config: submitted.append((app, config)) or 9)
    monkeypatch.setattr(runs, "unfinished_runs", lambda study: [5, 6])
    assert runs._run_to_follow(study, training(study)) == 6
    assert submitted == []


def test_a_new_run_gets_a_fresh_copy_of_the_code_and_the_settings_of_coordinator_yaml(study, monkeypatch):
    submitted = []
    monkeypatch.setattr(runs, "submit", lambda study, app, config: submitted.append((app, config)) or 9)
    monkeypatch.setattr(runs, "unfinished_runs", lambda study: [])
    (study.flower / "app").mkdir(parents=True)
    (study.flower / "app" / "old.py").touch()
    assert runs._run_to_follow(study, training(study)) == 9
    assert submitted == [(study.flower / "app", _run_config(study, training(study)))]
    names = {path.name for path in (study.flower / "app").iterdir()}
    assert {"pyproject.toml", "server", "client"} <= names
    assert "old.py" not in names


def test_a_run_that_goes_on_for_something_else_is_not_followed(study, monkeypatch):
    submitted = []
    monkeypatch.setattr(runs, "submit", lambda study, app, config: submitted.append(config) or 9)
    monkeypatch.setattr(runs, "unfinished_runs", lambda study: [9] if submitted else [])
    study.flower.mkdir()
    out = study.run / "evaluations" / "abc"
    scoring = Work(out, out / "evaluation.json", {"a": "b"})
    assert runs._run_to_follow(study, scoring) == runs._run_to_follow(study, scoring) == 9
    assert (scoring.out / FLOWER_RUN).read_text() == "9"
    assert [(config["out"], config["a"]) for config in submitted] == [(str(scoring.out), "b")]
    with pytest.raises(
        ValueError, match=r"Flower run 9 goes on, whose checkpoint is in .*/evaluations/abc: wait until"
    ):
        runs._run_to_follow(study, training(study))


def test_paths_of_the_run_config_are_whole(study, monkeypatch):
    monkeypatch.chdir(study.folder.parent)
    nearby = type(study)(study.folder.relative_to(study.folder.parent))
    config = _run_config(nearby, training(nearby))
    assert config == {
        "federation": str(study.federation),
        "out": str(study.run),
        "nodes": str(study.flower / "nodes.json"),
        "rosters": "",
        "sites": 3,
        "wait": 600.0,
        "round-timeout": 600.0,
        "release-key": str((study.folder / "keys" / "release.key").resolve()),
        "code": digest_of_checkout(),
    }


# ---- a SuperLink that comes and goes


@pytest.mark.parametrize("error", [RuntimeError("flwr list: refused"), TimeoutExpired("flwr", 60)])
def test_failures_are_counted_anew_once_the_superlink_was_away(study, monkeypatch, error):
    ups = iter([True, True, False, True, True, True])
    answers = iter([error] * 4 + [7])
    monkeypatch.setattr(runs, "is_up", lambda study: next(ups))

    def ask():
        answer = next(answers)
        if answer is error:
            raise answer
        return answer

    assert _answer(study, lambda status: None, ask) == 7


# ---- before the first run


def test_as_many_enrolled_sites_as_it_waits_for_are_enough(study, monkeypatch):
    monkeypatch.setattr(runs, "nodes", lambda study: {1: "a", 2: "b"})
    with pytest.raises(ValueError, match=r"^coordinator\.yaml waits for 3 sites, but 2 are enrolled; enrol"):
        _refuse_what_cannot_run(study)
    monkeypatch.setattr(runs, "nodes", lambda study: {1: "a", 2: "b", 3: "c"})
    _refuse_what_cannot_run(study)


def test_settings_that_are_wrong_are_told_before_anything_runs(study):
    study.federation.write_text("modalities: {cnv: {hiden: [3]}}")
    with pytest.raises(ValueError, match="hiden: no such setting"):
        _refuse_what_cannot_run(study)
