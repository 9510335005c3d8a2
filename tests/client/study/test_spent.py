import json
import stat
from dataclasses import replace

import pytest

from client.audit.facts import gathered
from client.node.home import Home
from client.study.spent import beyond_budget, book_release, read_spent
from modalities.core.settings.federation import federation_from
from modalities.core.settings.site import Policy
from strategies.private.accounting import noise_multiplier


def federation(epsilon=3.0, seed=1):
    """A study of 2 branches with 2 and 3 rounds: 5 releases."""
    table = {"kind": "table", "preset": "private", "features": ["a"], "ranges": {"*": [0.0, 1.0]}}
    sections = {name: {**table, "federated": {"rounds": n}} for name, n in (("one", 2), ("two", 3))}
    raw = {
        "seed": seed,
        "fusion": {"preset": "private"},
        "privacy": {"epsilon": epsilon, "masking": "required"},
        "modalities": sections,
    }
    return federation_from(raw)


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


def book(home, study, *releases, most=0.0):
    for release in releases:
        book_release(home, study, release, Policy(max_epsilon=most))


def lines(home):
    return [json.loads(line) for line in home.epsilon.read_text(encoding="utf-8").splitlines()]


def test_a_study_is_booked_with_its_first_release_and_not_with_the_next(home):
    book(home, federation(), "r1", "r2", "r1")
    booking, *releases = lines(home)
    assert (booking["epsilon"], booking["delta"], booking["releases"]) == (3.0, 1e-5, 5)
    assert booking["study"] == federation().digest
    assert [release["release"] for release in releases] == ["r1", "r2"]
    assert read_spent(home).epsilon == 3.0


def test_the_audit_log_is_told_what_a_reply_spends(home):
    with gathered() as facts:
        book(home, federation(), "r1")
    assert facts == {"epsilon": 3.0}
    with gathered() as facts:
        book(home, federation(), "r2")
    assert facts == {}


def test_more_releases_than_accounted_for_book_the_study_once_more(home):
    book(home, federation(), *(f"r{number}" for number in range(5)))
    assert read_spent(home).epsilon == 3.0
    book(home, federation(), "r5")
    assert read_spent(home).epsilon == 6.0
    book(home, federation(), "r0", "r9")
    assert read_spent(home).epsilon == 6.0


def test_nothing_is_booked_where_the_accountants_disagree(home, monkeypatch):
    too_little = noise_multiplier(4.0, 1e-5, 5)
    monkeypatch.setattr("strategies.private.accounting.noise_multiplier", lambda *asked: too_little)
    with pytest.raises(ValueError, match="the accountants disagree: epsilon 3 by the formula, 4"):
        book(home, federation(), "r1")
    assert not lines(home)


def test_a_second_study_that_would_exceed_the_limit_is_stopped_with_both_numbers(home):
    book(home, federation(), "r1", most=5.0)
    said = r"would spend epsilon 3, and 3 of 5 is spent \(policy\.max_epsilon in site\.yaml\)"
    assert beyond_budget(home, federation(seed=2), Policy(max_epsilon=5.0)).startswith("this study would spend")
    with pytest.raises(ValueError, match=said):
        book(home, federation(seed=2), "r1", most=5.0)
    assert len(lines(home)) == 2
    book(home, federation(epsilon=2.0, seed=2), "r1", most=5.0)
    assert read_spent(home).epsilon == 5.0


def test_a_study_that_is_booked_goes_on_though_the_limit_is_reached(home):
    book(home, federation(), "r1", most=3.0)
    assert not beyond_budget(home, federation(), Policy(max_epsilon=3.0))
    book(home, federation(), "r2", most=3.0)


def test_a_study_begun_anew_beyond_its_releases_is_stopped_by_the_limit(home):
    book(home, federation(), *(f"r{number}" for number in range(5)), most=3.0)
    with pytest.raises(ValueError, match="would spend epsilon 3, and 3 of 3 is spent"):
        book(home, federation(), "r5", most=3.0)


def test_a_study_for_simulations_is_not_for_a_real_site(home):
    study = federation()
    simulated = replace(study, privacy=replace(study.privacy, masking="simulated"))
    assert "for simulations" in beyond_budget(home, simulated, Policy())
    assert not beyond_budget(home, study, Policy())


def test_without_a_limit_or_an_epsilon_nothing_is_stopped(home):
    book(home, federation(), "r1")
    book(home, federation(seed=2), "r1")
    assert not beyond_budget(home, federation(seed=3), Policy())
    assert read_spent(home).epsilon == 6.0


def test_a_line_that_a_crash_cut_off_never_left_and_is_taken_out(home):
    book(home, federation(), "r1")
    with home.epsilon.open("a", encoding="utf-8") as file:
        file.write('{"at": "2026-01-01", "study": "x", "rel')
    assert read_spent(home).epsilon == 3.0
    book(home, federation(), "r2")
    assert [line.get("release") for line in lines(home)] == [None, "r1", "r2"]


@pytest.mark.parametrize("line", ["{}", "no json", '{"study": "x", "epsilon": "much", "releases": 1}', "[1]"])
def test_a_damaged_ledger_stops_everything_and_says_where(home, line):
    book(home, federation(), "r1")
    with home.epsilon.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
    with pytest.raises(ValueError, match=r"epsilon\.jsonl, line 3: cannot be read; restore the file"):
        book(home, federation(), "r2")


def test_the_ledger_is_its_owners_alone(home):
    book(home, federation(), "r1")
    assert stat.S_IMODE(home.epsilon.stat().st_mode) & 0o077 == 0
