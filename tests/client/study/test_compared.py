"""A site that lies far from the others is told at home, in numbers worked out by hand, and nobody else is."""

import json
import logging

import numpy as np
import pytest
from flwr.app import ConfigRecord

from client.node.complaints import complaints_kept, complaints_of
from client.node.home import Home
from client.study.compared import FAR_SPREADS, LEAST_CASES, apart_from_others, compare, compared_problems
from client.study.policy import cases_asked
from modalities.core.blocks.tabular import TabularConfig, finalise, sums
from modalities.core.contract import Cases
from modalities.core.site.store import SiteData
from strategies.wire import to_record
from tests.client.sites import FEDERATION, RealSite
from tests.support import small_federation, write_sites

CONFIG = TabularConfig()


def sums_of(values):
    return sums(Cases(tuple(map(str, range(len(values)))), np.asarray(values, dtype=np.float32)), CONFIG)


def shared_of(*sites):
    """The state that sites of these values share, and the cases that it is of."""
    each = [sums_of(site) for site in sites]
    return finalise({name: sum(one[name] for one in each) for name in each[0]}, CONFIG), sum(map(len, sites))


def apart(own, *others):
    state, n_total = shared_of(own, *others)
    return apart_from_others(sums_of(own), state, n_total, ["age", "size"])


def site(n, age, size=10.0):
    """n cases, half 1 below and half 1 above, so the standard deviation is 1."""
    around = np.where(np.arange(n) % 2, 1.0, -1.0)
    return np.stack([age + around, size + around], axis=1)


def test_the_other_sites_mean_and_spread_are_told_without_this_sites_own():
    """20 cases around 60 against 10 and 30 around 50 and 54: the others' mean is 53, their variance 1 + 3."""
    (found,) = apart(site(20, 60.0), site(10, 50.0), site(30, 54.0))
    assert found.feature == "age"
    assert (found.here, found.spread_here) == pytest.approx((60, 1))
    assert (found.elsewhere, found.spread_elsewhere) == pytest.approx(
        (53, 2)
    )  # (10*50 + 30*54) / 40; 10*9 + 30*1 = 120
    assert str(found) == "age (60 +-1 here, 53 +-2 elsewhere)"


@pytest.mark.parametrize(("age", "is_told"), [(53.9, False), (54.1, True)])
def test_four_pooled_standard_deviations_are_far(age, is_told):
    """Both spreads are 1, so the pooled one is; the others lie around 50."""
    assert bool(apart(site(10, age), site(20, 50.0), site(8, 50.0))) is is_told


def test_a_third_of_all_cases_cannot_hide_behind_the_statistics_that_it_draws_after_it():
    own, others = site(10, 1000.0), (site(10, 50.0), site(10, 50.0))
    state, _ = shared_of(own, *others)
    assert abs(1000 - state["mean"][0]) * state["inverse_scale"][0] < 1.5
    assert [found.feature for found in apart(own, *others)] == ["age"]


def test_thousandths_are_told_by_their_spread():
    """Around 0 the means agree; the spread is a thousandth of the others'."""
    own = site(10, 0.0) / 1000 + [[0.0, 10.0]]
    (found,) = [one for one in apart(own, site(10, 0.0), site(12, 0.0)) if one.feature == "age"]
    assert found.spread_elsewhere / found.spread_here == pytest.approx(1000, rel=1e-3)
    assert FAR_SPREADS < 1000


def test_a_few_cases_are_not_compared():
    assert apart(site(LEAST_CASES - 2, 900.0), site(20, 50.0), site(20, 50.0)) == []
    assert apart(site(20, 900.0), site(3, 50.0), site(3, 50.0)) == []


def test_a_site_that_only_evaluates_is_in_none_of_the_statistics():
    state, _ = shared_of(site(10, 50.0), site(20, 50.0))
    (found,) = apart_from_others(sums_of(site(10, 60.0)), state, 0, ["age", "size"])
    assert (found.elsewhere, found.spread_elsewhere) == pytest.approx((50, 1), rel=1e-6)


def test_statistics_of_another_kind_or_length_are_left_alone():
    state, n = shared_of(site(10, 50.0), site(20, 50.0))
    assert apart_from_others({"degrees": np.zeros(3)}, state, n, []) == []
    assert apart_from_others(sums_of(site(9, 1.0)[:, :1]), state, n, ["age"]) == []


def own_sums(data):
    return {"hif": sums(data.values("hif"), CONFIG)}


@pytest.fixture
def real(tmp_path):
    """A made-up site whose table is in thousandths, and the statistics of three."""
    federation = small_federation()
    write_sites(tmp_path, federation, [("hif",)] * 3, [31, 29, 33])
    data = [SiteData(tmp_path / f"site_{number}", federation) for number in (1, 2, 3)]
    values = [np.asarray(one.values("hif").values, dtype=np.float64) for one in data]
    state, n_total = shared_of(values[0] / 1000, *values[1:])
    path = tmp_path / "site_1" / "hif" / "table.csv"
    header, *rows = path.read_text().splitlines()
    lines = [
        [row.split(",")[0], *(f"{float(cell) / 1000}" if cell else "" for cell in row.split(",")[1:])] for row in rows
    ]
    path.write_text("\n".join([header, *map(",".join, lines)]) + "\n")
    return SiteData(tmp_path / "site_1", federation), Home(tmp_path / "site_1"), state, n_total


def test_it_is_told_in_log_status_and_check_and_under_these_settings_only(real, caplog):
    data, home, state, n_total = real
    home.folder.mkdir(exist_ok=True)
    with caplog.at_level(logging.WARNING), complaints_kept(home):
        compare(home, data, {"hif": (state, n_total)}, own_sums(data))
    (problem,) = compared_problems(home, data.federation.digest)
    assert problem.level == "warning"
    assert problem.what.startswith("12 features lie far from the other sites'")
    assert complaints_of(home) == [str(problem)]
    assert str(problem) in caplog.text
    assert compared_problems(home, "other settings") == []
    assert "case" not in json.dumps(json.loads(home.compared.read_text())["apart"])


def test_nothing_is_told_where_nobody_says_how_many_cases_there_are(real, caplog):
    data, home, state, _ = real
    home.folder.mkdir(exist_ok=True)
    compare(home, data, {"hif": (state, 0)}, own_sums(data))
    assert compared_problems(home, data.federation.digest) == []
    compare(home, data, {"hif": (state, 93)}, {})
    compare(None, data, {"hif": (state, 93)}, own_sums(data))
    assert caplog.text == ""


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"apart": {"hif": [{"feature": 1}]}}', '{"apart": []}'])
def test_a_damaged_file_tells_nothing(tmp_path, text):
    home = Home(tmp_path)
    home.folder.mkdir()
    home.compared.write_text(text)
    assert compared_problems(home, "any") == []


def test_the_server_s_number_of_cases_is_held_within_bounds():
    assert cases_asked("cnv", {"holders": 3, "cases": 93}) == 93
    assert cases_asked("cnv", {"holders": 3}) == 0
    with pytest.raises(ValueError, match="cases"):
        cases_asked("cnv", {"cases": -1})


def test_a_site_is_told_as_a_study_sets_up_and_its_answer_says_nothing_of_it(tmp_path):
    """What leaves is what leaves of any site: that it takes part, and its number of cases."""
    root = write_sites(tmp_path, FEDERATION)
    site = RealSite(root)
    site.introduced()
    states = site.states()
    far = {**states, "hif": {**states["hif"], "mean": states["hif"]["mean"] + 1000 / states["hif"]["inverse_scale"]}}
    replies = []
    for sent in (states, far):
        arrays = {f"arrays__{name}": to_record(state) for name, state in sent.items()}
        about = {f"config__{name}": ConfigRecord({"holders": 3, "cases": 5000}) for name in FEDERATION.modalities}
        settings = ConfigRecord({"federation": FEDERATION.to_json()})
        site.ask("query.statistics", config__study=ConfigRecord(), **about)
        replies.append(site.ask("query.setup", config__study=settings, **about, **arrays))
        problems = compared_problems(site.home, FEDERATION.digest)
        assert [problem.file for problem in problems] == ([] if sent is states else ["hif"])
    assert [dict(reply.content["metrics.hif"]) for reply in replies] == [dict(replies[0].content["metrics.hif"])] * 2
    assert set(replies[0].content) == set(replies[1].content) == {"metrics.cnv", "metrics.hif"}
