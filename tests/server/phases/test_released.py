"""A release scored by sites without any training."""

import json

import pytest
from sklearn.metrics import roc_auc_score

from client.study.session import _opened
from modalities.core.release.release import open_release
from server.app import main
from server.phases.attendance import NOT_IN_RELEASE
from server.phases.evaluation.sums import NOTHING_SHARED
from server.phases.options import Options
from server.phases.released import evaluate_release
from server.state.evaluation import EVALUATION_FILE, results_in
from server.state.notes import INFO
from server.state.release import read_release, write_release
from strategies.evaluation.wire import EVALUATION, LOCAL_TRAINING, SCORING
from tests.evaluated import kinds, only_evaluates, scored_in_one_place, text_of, write_evaluated
from tests.masked_sites import MaskedSites
from tests.server.test_app import context
from tests.support import WatchedGrid, run_small, small_federation, write_sites

MASKED = {"privacy__masking": "required"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Four sites, and the release of a study of theirs that was not evaluated."""
    federation = small_federation(**MASKED)
    folder = tmp_path_factory.mktemp("released")
    root = write_evaluated(folder / "sites", federation)
    return root, write_release(folder / "release", run_small(root, federation))


def scored(root, release, grid=None, **options):
    """The study with its evaluation, the numbers, and the messages by kind."""
    n_sites = len(list(root.glob("*/site.yaml")))
    grid = grid or WatchedGrid(root, n_sites)
    study = evaluate_release(grid, read_release(release)[0], Options(timeout=30.0, sites=n_sites, **options))
    return study, results_in(study), kinds(grid)


def test_a_release_is_scored_by_all_sites_and_nothing_is_trained(made, tmp_path):
    root, release = made
    checkpoint = tmp_path / "checkpoint.safetensors"
    study, results, asked = scored(root, release, checkpoint=checkpoint)
    labels, probabilities = scored_in_one_place(root, study)["fused"]
    found = results.test["federated"]["fused"]
    counted = [c for c in range(4) if min((labels == c).sum(), (labels != c).sum()) >= 5]
    exact = sum(roc_auc_score(labels == c, probabilities[:, c]) for c in counted) / len(counted)
    assert found.n == len(labels)
    assert abs(found.macro_auroc.value - exact) <= found.macro_auroc.bound
    assert results.gain["test"]["fused"].sites > 1
    assert (asked[SCORING], asked[EVALUATION]) == (4, 4)
    assert asked[LOCAL_TRAINING] >= 4
    assert not {kind for kind in asked if kind.startswith("train") or "statistics" in kind or "counts" in kind}
    assert {site: own.is_external for site, own in results.sites.items()} == {f"site_{n}": False for n in range(1, 5)}
    again, same, asked_again = scored(root, release, checkpoint=checkpoint)
    assert (same, again.finished, sum(asked_again.values())) == (results, True, 0)


def test_hospitals_that_only_evaluate_score_all_their_cases_with_the_branches_that_there_are(tmp_path):
    """New ones, of which nobody trains; the release has no branch of copy number, since nobody held it."""
    federation = small_federation(**MASKED)
    trainers = write_sites(tmp_path / "trainers", federation, (("hif",),) * 3, (61, 43, 37))
    release = write_release(tmp_path / "release", run_small(trainers, federation))
    root = write_evaluated(tmp_path / "sites", federation)
    for folder in root.iterdir():
        only_evaluates(folder)
    study, results, _ = scored(root, release)
    n_cases = sum(len((folder / "cases.csv").read_text().splitlines()) - 1 for folder in root.iterdir())
    assert n_cases / 2 < results.test["federated"]["hif"].n < n_cases
    assert "cnv" not in results.test["federated"]
    assert all(own.is_external for own in results.sites.values())
    without = [(INFO, f"site_{n}", "cnv", NOT_IN_RELEASE) for n in range(1, 5)]
    assert [tuple(note) for note in study.notes] == without


def test_a_site_that_trained_in_the_release_cannot_pass_for_an_external_one(tmp_path):
    """It has the requests to train in its own `.tessera`, and takes no part."""
    federation = small_federation(**MASKED, evaluation={"local": False})
    sites = MaskedSites(tmp_path / "sites", federation)
    release = write_release(tmp_path / "release", sites.run())
    only_evaluates(sites.root / "site_5")
    _opened.cache_clear()  # `join` is begun anew
    grid = sites.grid()
    options = Options(timeout=30.0, sites=5, rosters=sites.rosters)
    study = evaluate_release(grid, read_release(release)[0], options)
    assert results_in(study).sites.keys() == {"site_1", "site_2", "site_3", "site_4"}
    assert any("its cases were trained on in a study of these settings" in line for line in sites.complaints("site_5"))


def test_the_app_scores_the_release_of_its_run_config_and_leaves_evaluation_json(made, tmp_path):
    root, release = made
    (tmp_path / "federation.yaml").write_text(read_release(release)[0].federation.to_json())
    config = {"federation": str(tmp_path / "federation.yaml"), "out": str(tmp_path / "run"), "sites": 4}
    digest = open_release(release).digest
    with pytest.raises(ValueError, match="another release than the one whose signature was checked"):
        main(WatchedGrid(root, 4), context(**config, release=str(release), release_digest="0" * 64))
    main(WatchedGrid(root, 4), context(**config, release=str(release), release_digest=digest))
    found = json.loads((tmp_path / "run" / EVALUATION_FILE).read_text())
    assert found["sites_by_policy"] == {"sums": 4}
    assert found["federated"]["fused"]["n"] == len(scored_in_one_place(root, read_release(release)[0])["fused"][0])


def test_sites_that_let_nothing_out_leave_no_evaluation_json(made, tmp_path):
    federation = small_federation()
    root = write_evaluated(tmp_path / "sites", federation, "none")
    release = write_release(tmp_path / "release", run_small(root, federation))
    study, results, _ = scored(root, release)
    assert text_of(study.notes) == [NOTHING_SHARED]
    assert results.test["federated"] == {}
