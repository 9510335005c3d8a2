"""docs/privacy.md against the messages of whole studies under many settings, in this process.

tests/deployment/test_privacy.py holds the same list against what real sites send over the wire.
"""

import pytest
from flwr.app import ConfigRecord, MetricRecord, RecordDict

from modalities.core.fusion.head import heads
from modalities.core.settings.federation import federation_from
from tests.audited import countersigning, real_sites
from tests.deployment.planted import ONLY_ONE, marked_values, write_marked_site
from tests.evaluated import change, only_evaluates
from tests.privacy import compare, entries, names_in, table
from tests.support import (
    ONE_ROUND,
    WatchedGrid,
    all_arrays,
    run_small,
    site_number,
    small_federation,
    with_content,
    write_sites,
)

SETTINGS = {
    "as set": {},
    "a part held out, loss weighed, a pull": {
        "fusion__fit": "tune",
        "modalities__cnv__training": {"class_weight_exponent": 0.5, "prior_correction": 1.0},
        "modalities__cnv__federated": {"rounds": 1, "patience": 0, "strategy": "fedprox", "proximal_mu": 0.1},
    },
    "nothing held out": {"fusion__fit": "none", "fusion__head": "mean"},
    "patience and a robust rule": {"modalities__cnv__federated": {"rounds": 2, "patience": 2, "robust": "fedmedian"}},
    "steps of the server": {"modalities__hif__federated": {"rounds": 1, "strategy": "fedadam", "optimiser": "sgd"}},
    "a head of many": {"fusion__head": "auto", "fusion__candidates": ["mean", "weighted_logits"], "fusion__rounds": 1},
    "masks of 32 bits": {"privacy__masking": "required", "privacy__masked_bits": 32},
    "a network": {"modalities__hif__hidden": [5], "modalities__hif__input_dropout": 0.2},
}


def studied(root, federation, **watching):
    """What the messages of a study hold beyond the list, and the entries of the list that occurred."""
    grid = WatchedGrid(root, **watching)
    run_small(root, federation, grid, evaluates=True)
    return compare(entries(), grid.asked, grid.replies, federation)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_sites(tmp_path_factory.mktemp("sites"), small_federation())


@pytest.fixture(scope="module")
def alike(tmp_path_factory):
    """Three sites with both modalities: the least that masks hide."""
    return write_sites(tmp_path_factory.mktemp("alike"), small_federation(), [("cnv", "hif")] * 3)


@pytest.mark.parametrize("name", SETTINGS)
def test_no_setting_makes_a_site_send_what_is_not_listed(root, alike, name):
    unlisted, occurred = studied(alike if "masks" in name else root, small_federation(**SETTINGS[name]))
    assert unlisted == []
    assert len(occurred) > 10


@pytest.mark.parametrize("head", sorted(heads()))
def test_no_fusion_head_makes_a_site_send_what_is_not_listed(root, head):
    network = {"fusion__network": {"rounds": 2, "width": 8, "layers": 1, "attention_heads": 2}}
    unlisted, _ = studied(root, small_federation(fusion__head=head, **network, **ONE_ROUND))
    assert unlisted == []


def test_all_that_is_listed_occurs(root, alike, tmp_path):
    """What always leaves, in a study as set; and what the page says a condition of, under that condition."""
    _, always = studied(root, small_federation())
    rounds = {"federated": {"rounds": 1, "patience": 0}}
    slides = federation_from(
        {
            "seed": 3,
            "fusion": {"folds": 2, "rounds": 1},
            "modalities": {"wsi_graph": {"inputs": "features", "convolution": "sage", **rounds}, "wsi_image": rounds},
        }
    )
    for number in (1, 2):
        write_marked_site(tmp_path, number, slides, ("wsi_graph", "wsi_image"))
    unlisted, with_graphs = studied(tmp_path, slides, n_sites=2)
    assert unlisted == []

    broken = tmp_path / "broken"
    write_sites(broken, small_federation())
    (broken / "site_2" / "cases.csv").write_text("a table of something else\n")
    unlisted, with_a_failure = studied(broken, small_federation())
    assert unlisted == []
    _, without_common = studied(root, small_federation(fusion__head="weighted", **ONE_ROUND))
    quick = small_federation(**ONE_ROUND)
    folder = write_sites(tmp_path / "real", quick)
    watched = real_sites(folder, quick)
    run_small(folder, quick, countersigning(folder, watched))
    unlisted, with_receipts = compare(entries(), watched.asked, watched.replies, quick)
    assert unlisted == []
    sharing = write_sites(tmp_path / "sharing", quick)
    change(sharing / "site_1", "evaluation: sums", "evaluation: full")
    unlisted, with_own_results = studied(sharing, quick)
    assert unlisted == []
    evaluated = write_sites(tmp_path / "evaluated", quick)
    only_evaluates(evaluated / "site_3")
    unlisted, with_an_evaluator = studied(evaluated, quick)
    assert unlisted == []
    masked = small_federation(privacy={"masking": "required"}, **ONE_ROUND)
    unlisted, under_masks = studied(alike, masked)
    assert unlisted == []
    by_condition = {
        "the coordinator keeps receipts": with_receipts,
        "always": always,
        "the coordinator keeps no receipts": always,
        "`wsi_graph` only": with_graphs,
        "a site fails": with_a_failure,
        "`policy.evaluation: full`": with_own_results,
        "a site only evaluates": with_an_evaluator,
        "a head without common weights": without_common,
        "under masks": under_masks,
        "masked": under_masks,
    }
    assert {entry.when for entry in entries()} == by_condition.keys()
    for when, occurred in by_condition.items():
        assert [str(entry) for entry in entries() if entry.when == when and entry not in occurred] == []


@pytest.mark.parametrize("what", ["a key", "a text", "another record", "another size"])
def test_what_is_not_listed_is_found(root, what):
    """The comparison can fail: a reply with something more in it than is listed."""

    def changed(asked, reply):
        if asked.metadata.message_type != "train.branches" or site_number(asked) != 1:
            return None
        content = RecordDict(dict(reply.content))
        metrics = dict(content["metrics.cnv"])
        if what == "a key":
            content["metrics.cnv"] = MetricRecord({**metrics, "youngest": 31})
        elif what == "a text":
            content["metrics.cnv"] = ConfigRecord({**metrics, "loss-sum": "of case 17"})
        elif what == "another record":
            content["outputs.cnv"] = content["arrays.cnv"]
        else:
            content["arrays.cnv"] = content["arrays.hif"]
        return with_content(reply, content)

    unlisted, _ = studied(root, small_federation(**ONE_ROUND), falsifies=changed)
    assert unlisted
    assert all(line.startswith("train.branches, ") for line in unlisted)


@pytest.mark.parametrize(("min_cell", "left"), [(5, set()), (0, {ONLY_ONE})])
def test_a_value_that_one_case_alone_has_stays_inside_where_min_cell_says_so(tmp_path, min_cell, left):
    """And the search for marks can fail: without `min_cell` the sum over one case is that case's value."""
    federation = small_federation(**ONE_ROUND)
    for number in (1, 2):
        folder = write_marked_site(tmp_path, number, federation, ("cnv", "hif"))
        text = (folder / "site.yaml").read_text()
        (folder / "site.yaml").write_text(text.replace("min_cell: 5", f"min_cell: {min_cell}"))
    grid = WatchedGrid(tmp_path, 2)
    run_small(tmp_path, federation, grid)
    arrays = [array for reply in grid.replies for own in all_arrays(reply.content).values() for array in own.values()]
    assert set(marked_values(arrays)) == left


def test_the_page_lists_no_name_twice():
    listed = [(entry.message, entry.record, entry.name) for entry in entries()]
    assert len(listed) == len(set(listed))
    for header in ("request", "header"):
        names = [name for row in table(header) for name in names_in(row[header])]
        assert len(names) == len(set(names))
