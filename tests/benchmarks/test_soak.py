"""The soak's judgements: what is a trend, and which line of a log nobody expects."""

import itertools

from benchmarks.soak.run import absences
from benchmarks.soak.samples import trend
from benchmarks.soak.unexplained import RULES, lines_in, sorted_out

FIRST, SECOND = (17, 1.0), (23, 2.0)


def test_a_trend_is_the_median_slope_within_one_life_and_a_process_started_anew_is_none():
    flat = [(float(done), 700.0) for done in range(0, 50)]
    anew = [(float(done), 900.0) for done in range(50, 100)]
    assert trend({FIRST: flat, SECOND: anew}).slope == 0.0
    assert (trend({FIRST: flat, SECOND: anew}).first, trend({FIRST: flat, SECOND: anew}).last) == (700.0, 900.0)
    assert trend({FIRST: flat + anew}).slope > 0.0


def test_a_leak_of_three_a_round_is_300_per_100_rounds_whatever_a_few_values_say():
    leaks = [(float(done), 500.0 + 3.0 * done) for done in range(40)]
    leaks[11], leaks[29] = (11.0, 9e6), (29.0, 0.0)
    assert trend({FIRST: leaks}).slope == 300.0
    assert trend({FIRST: leaks[:20]}).slope is None  # too short to tell


def test_what_a_life_takes_in_its_first_rounds_is_no_leak():
    begins = [(float(done), 100.0 * min(done, 10)) for done in range(40)]
    assert trend({FIRST: begins}).slope == 0.0
    assert trend({FIRST: [(float(done), 5.0 * done) for done in range(5)]}).slope is None


def test_warnings_and_lines_of_no_known_form_are_looked_at_and_a_rule_explains_its_own_alone(tmp_path):
    log, error, run = tmp_path / "site.log", tmp_path / "nginx-error.log", tmp_path / "run.out"
    log.write_text(
        "2026-11-29T16:52:43.065+00:00 INFO    join: connected\n"
        "2026-11-29T16:56:21.063+00:00 ERROR   supernode: Exit Code: 305\n"
        "2026-11-29T16:56:22.063+00:00 ERROR   supernode: Exit Code: 3050\n"
        "2026-11-29T16:56:23.063+00:00 ERROR   fork-server: | KeyError: 5\n"
        "Killed\n"
    )
    error.write_text(
        "2026/11/29 16:52:43 [notice] 5#5: using epoll\n2026/11/29 16:52:44 [error] 5#5: *3 upstream timed out\n"
    )
    run.write_text("| cnv | 3 of 3 |\nrefused: site_2: cnv: a reply of another round\n")
    assert list(lines_in(error)) == [("nginx", "5#5: *3 upstream timed out")]
    explained, unexplained = sorted_out(iter([log, error, run]))
    assert explained == {RULES[0]: 1}
    assert set(unexplained) == {
        "site.log: supernode: Exit Code: 3050",
        "site.log: fork-server: | KeyError: 5",
        "site.log: ?: Killed",
        "nginx-error.log: nginx: 5#5: *3 upstream timed out",
        "run.out: run: refused: site_2: cnv: a reply of another round",
    }


def test_the_seed_says_who_goes_when_and_the_first_site_stays():
    planned = list(absences(400, 5))
    assert planned == list(absences(400, 5)) != list(absences(400, 6))
    assert {absence.site for absence in planned} == {"site_2", "site_3"}
    assert {absence.is_killed for absence in planned} == {True, False}
    assert all(later.after - earlier.after >= 10 for earlier, later in itertools.pairwise(planned))
