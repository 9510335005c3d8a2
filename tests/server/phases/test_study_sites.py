"""Sites of every size, of one class, with nothing to train on, or alone."""

import shutil

import numpy as np
import pytest

from modalities.core.settings.site import read_site_config
from modalities.core.site.cases import open_site
from modalities.core.site.example import write_example_site
from tests.support import (
    WatchedGrid,
    all_arrays,
    run_small,
    same_study,
    small_federation,
    write_sites,
)

FEDERATION = small_federation()


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
        assert [refusal.site for refusal in study.refused] == ["node 2"]


def test_modality_that_nobody_holds_is_named_and_the_study_goes_on_without_it(tmp_path):
    root = write_sites(tmp_path, FEDERATION, [("cnv",), ("cnv",)], [23, 19])
    study = run_small(root, FEDERATION)
    assert study.notes == [("warning", "*", "hif", "no site holds it; the study goes on without it")]
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


def test_example_sites_need_no_files_from_anybody(tmp_path):
    folder = write_example_site(tmp_path, FEDERATION, 6)
    assert folder.name == "site_7"
    assert read_site_config(folder / "site.yaml").offers(["cnv", "hif"]) == ["hif"]  # the seventh lacks the first
