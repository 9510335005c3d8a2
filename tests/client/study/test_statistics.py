"""What the statistics phase keeps inside: a sum over fewer cases than the site's `min_cell`."""

import numpy as np
import pytest
from flwr.app import ConfigRecord

from client.study.session import sums_of
from modalities.core.blocks.tabular import finalise
from modalities.core.site.store import SiteData
from strategies.wire import to_record
from tests.client.sites import Site
from tests.client.study.test_policy import set_policy
from tests.support import all_arrays, run_small, small_federation, write_sites

FEDERATION = small_federation()
FEATURES = FEDERATION.modalities["hif"].features


def known_of(root, site, feature, n_cases):
    """Leave this feature in so many training cases of the site's table; their values."""
    path = root / site / "hif" / "table.csv"
    header, *rows = [line.split(",") for line in path.read_text().splitlines()]
    column = header.index(feature)
    training = set(SiteData(root / site, FEDERATION).training_cases("hif"))
    kept = [row for row in rows if row[0] in training and row[column]][:n_cases]
    values = [float(row[column]) for row in kept]
    for row in rows:
        row[column] = row[column] if row in kept else ""
    path.write_text("\n".join(",".join(row) for row in [header, *rows]) + "\n")
    return values


def test_a_feature_of_fewer_cases_than_min_cell_leaves_as_if_nobody_had_it(tmp_path, caplog):
    root = write_sites(tmp_path, FEDERATION)
    known_of(root, "site_1", FEATURES[2], 4)
    enough = known_of(root, "site_1", FEATURES[7], 5)
    exact = sums_of(SiteData(root / "site_1", FEDERATION), ["hif"])["hif"][0]
    set_min_cell(root, "site_1", 5)
    sums, n_cases = sums_of(SiteData(root / "site_1", FEDERATION), ["hif"])["hif"]
    assert exact["n"][2] == 4
    assert [sums[key][2] for key in ("n", "sum", "square")] == [0, 0, 0]
    assert sums["n"][7] == 5
    np.testing.assert_allclose(sums["sum"][7], sum(enough), rtol=1e-6)
    assert sums["cases"] == [n_cases]
    others = np.delete(np.arange(len(FEATURES)), 2)
    assert all(np.array_equal(sums[key][others], exact[key][others]) for key in ("n", "sum", "square"))
    assert "hif: 1 of 12 features are known of fewer than min_cell = 5 cases; their sums stay here" in caplog.text
    assert finalise(sums, FEDERATION.modalities["hif"])["inverse_scale"][2] == 0  # weighs nothing until others have it


@pytest.mark.parametrize(("n_known", "leaves"), [(1, 0), (2, 0), (4, 0), (5, 5)])
def test_a_feature_of_one_case_alone_stays_too(tmp_path, n_known, leaves):
    """Over one case, a sum is that case's own value."""
    root = write_sites(tmp_path, FEDERATION)
    known_of(root, "site_1", FEATURES[2], n_known)
    set_min_cell(root, "site_1", 5)
    sums = sums_of(SiteData(root / "site_1", FEDERATION), ["hif"])["hif"][0]
    assert sums["n"][2] == leaves
    assert (sums["square"][2] > 0) == (leaves > 0)


def test_other_sites_then_give_the_feature_its_mean(tmp_path):
    root = write_sites(tmp_path, FEDERATION)
    known_of(root, "site_1", FEATURES[2], 4)
    set_min_cell(root, "site_1", 5)
    study = run_small(root, FEDERATION)
    elsewhere = sums_of(SiteData(root / "site_3", FEDERATION), ["hif"])["hif"][0]
    np.testing.assert_allclose(study.states["hif"]["mean"][2], elsewhere["sum"][2] / elsewhere["n"][2])
    assert study.refused == []


def test_without_masks_no_server_talks_a_site_out_of_its_min_cell(tmp_path):
    """By saying that a million cases elsewhere have each feature, as it may say under masks."""
    root = write_sites(tmp_path, FEDERATION, [("cnv", "hif")], [29])
    known_of(root, "site_1", FEATURES[2], 4)
    set_min_cell(root, "site_1", 5)
    site = Site(root)
    site.introduced()
    said = {"config__hif": ConfigRecord({"holders": 3}), "arrays__hif": to_record({"n": np.full(len(FEATURES), 1e6)})}
    sums = all_arrays(site.ask("query.statistics", **said).content)["arrays.hif"]
    assert [sums[key][2] for key in ("n", "sum", "square")] == [0, 0, 0]


def test_under_masks_min_cell_counts_the_cases_of_all_sites(tmp_path):
    """The four of site 1 leave in a sum with those of two other sites."""
    masked = small_federation(privacy__masking="required")
    root = write_sites(tmp_path, masked, [("cnv", "hif")] * 3, [29, 31, 37])
    few = known_of(root, "site_1", FEATURES[2], 4)
    set_min_cell(root, "site_1", 5)
    study = run_small(root, masked)
    others = [sums_of(SiteData(root / f"site_{n}", masked), ["hif"])["hif"][0] for n in (2, 3)]
    n, total = (sum(float(own[key][2]) for own in others) for key in ("n", "sum"))
    assert study.states["hif"]["mean"][2] == pytest.approx((total + sum(few)) / (n + 4), abs=1e-5)


def test_under_masks_a_feature_that_too_few_cases_of_all_sites_have_leaves_none(tmp_path):
    """One case at each of three sites: the exact counts say three, and each site wants five."""
    masked = small_federation(privacy__masking="required")
    root = write_sites(tmp_path, masked, [("cnv", "hif")] * 3, [29, 31, 37])
    for site in ("site_1", "site_2", "site_3"):
        known_of(root, site, FEATURES[2], 1)
        set_min_cell(root, site, 5)
    state = run_small(root, masked).states["hif"]
    assert (state["mean"][2], state["inverse_scale"][2]) == (0, 0)
    assert np.delete(state["inverse_scale"], 2).all()


def set_min_cell(root, site, min_cell):
    path = root / site / "site.yaml"
    path.write_text(path.read_text().replace("min_cell: 0", ""))
    set_policy(root, site, min_cell=min_cell)
