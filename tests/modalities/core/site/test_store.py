"""A site's data as tensors: what is kept, what is read again, and who takes part."""

import gc
import os
import shutil
import weakref
from collections import OrderedDict

import numpy as np
import pytest

from modalities.core.blocks.tabular import finalise, sums
from modalities.core.contract import Cases
from modalities.core.settings.federation import federation_from
from modalities.core.site import store
from modalities.core.site.store import SiteData, _keep, digest_of
from tests.modalities.core.files.tables.workbooks import write_book
from tests.support import small_federation, write_sites

LABELS = ["A", "B", "A", "", "B", "A", "X", "B", "A", "B", "A"]


def federation(**fusion):
    return federation_from(
        {
            "task": {"classes": ["A", "B"], "drop": ["X"]},
            "fusion": fusion,
            "modalities": {"hif": {"features": ["f", "g"]}, "cnv": {"features": ["MYC"]}},
        }
    )


@pytest.fixture
def folder(tmp_path):
    """Eleven cases, nine labelled, the last two of them for testing; six of the seven trained on hold hif."""
    rows = [f"k{n},{label},{'test' if n > 8 else 'train'}" for n, label in enumerate(LABELS)]
    (tmp_path / "cases.csv").write_text("case_id,label,split\n" + "\n".join(rows) + "\n")
    held = [8, 1, 0, 3, 4, 6, 7, 10, 5]
    (tmp_path / "hif.csv").write_text("case_id,f,g\n" + "".join(f"k{n},{n},{n * n}\n" for n in held))
    (tmp_path / "cna.txt").write_text("Hugo_Symbol\tk9\tk3\nMYC\t1\t0\n")
    (tmp_path / "site.yaml").write_text(
        "name: north\nsources: {hif: {paths: [hif.csv]}, cnv: {paths: [cna.txt]}}\npolicy: {min_cohort: 0}\n"
    )
    return tmp_path


def policy(folder, text):
    path = folder / "site.yaml"
    path.write_text(path.read_text().replace("policy: {min_cohort: 0}", f"policy: {{{text}}}"))


def test_training_cases_are_the_labelled_ones_of_the_training_split_in_file_order(folder):
    assert SiteData(folder, federation()).training_cases("hif") == ["k8", "k1", "k0", "k4", "k7", "k5"]


def test_a_modality_without_a_training_case_takes_no_part(folder):
    assert SiteData(folder, federation()).modalities == ["hif"]


@pytest.mark.parametrize(("text", "held"), [("min_cohort: 6", ["hif"]), ("min_cohort: 7", []), ("min_cell: 3", [])])
def test_a_cohort_below_the_policys_least_takes_no_part(folder, text, held):
    policy(folder, text)  # min_cell alone leaves min_cohort at its default of 10
    assert SiteData(folder, federation()).modalities == held


def test_a_case_of_whom_no_value_is_known_does_not_hold_the_modality_and_is_counted(folder):
    rows = (folder / "hif.csv").read_text().replace("k8,8,64", "k8,,").replace("k1,1,1", "k1,,1")
    (folder / "hif.csv").write_text(rows)
    data = SiteData(folder, federation())
    assert data.training_cases("hif") == ["k1", "k0", "k4", "k7", "k5"]
    assert data.cases("hif").notes["cases without one known value"] == 1


def test_a_modality_of_whose_agreed_features_none_has_a_value_is_an_error_that_names_file_and_features(folder):
    (folder / "hif.csv").write_text("case_id,F,G\n" + "".join(f"k{n},{n},{n}\n" for n in range(11)))
    data = SiteData(folder, federation())
    said = (
        r"hif\.csv: none of the 2 agreed features has a value here; compare their spelling with the file's \(f, g\), "
        r"or name the file's columns under sources\.<modality>\.columns in site\.yaml"
    )
    with pytest.raises(ValueError, match=said):
        data.cases("hif")
    assert (data.modalities, list(data.unusable)) == ([], ["hif"])


def test_class_counts_are_of_the_cases_that_take_part(folder):
    # k8, k0, k5 are A; k1, k4, k7 are B; k2 holds no modality
    assert SiteData(folder, federation()).class_counts().tolist() == [3, 3]


def test_training_tensors_follow_the_shared_state(folder):
    data = SiteData(folder, federation())
    config = data.federation.modalities["hif"]
    state = finalise(sums(data.cases("hif"), config), config)  # pyright: ignore[reportArgumentType]
    found = data.training("hif", state)
    assert found.case_ids == ("k8", "k1", "k0", "k4", "k7", "k5")
    assert found.labels.tolist() == [0, 1, 0, 1, 1, 0]
    assert found.folds.tolist() == data.folds[list(found.case_ids)].tolist()
    assert data.training("hif", state) is found  # kept by digest
    other = data.training("hif", state | {"mean": state["mean"] + 1})
    assert not np.array_equal(other.prepared, found.prepared)


def test_raw_values_are_let_go_once_they_are_prepared_and_what_is_trained_on_stays_known(folder, monkeypatch):
    monkeypatch.setattr("modalities.core.site.store._kept", OrderedDict())
    data = SiteData(folder, federation())
    config = data.federation.modalities["hif"]
    raw, known = weakref.ref(data.cases("hif")), data.training_cases("hif")
    data.training("hif", finalise(sums(data.cases("hif"), config), config))  # pyright: ignore[reportArgumentType]
    store._kept.clear()
    gc.collect()
    assert raw() is None
    (folder / "hif.csv").unlink()
    assert data.training_cases("hif") == known


def test_tune_holds_out_one_case_in_seven_and_none_holds_out_nothing(folder):
    rows = [f"k{n},{'AB'[n % 2]}" for n in range(70)]
    (folder / "cases.csv").write_text("case_id,label\n" + "\n".join(rows) + "\n")
    assert (SiteData(folder, federation(fit="tune")).folds == 1).sum() == 10  # 0.15 of 70, in whole sevenths
    assert set(SiteData(folder, federation(fit="none")).folds) == {0}


def test_raw_files_are_read_once_a_process_whatever_the_folds(folder):
    one, other = SiteData(folder, federation()), SiteData(folder, federation(fit="tune"))
    assert one.cases("hif") is other.cases("hif")


@pytest.mark.parametrize(("n_bytes", "n_read"), [(2**14, 100), (2**14 + 1, 200)])
def test_small_tables_of_a_hundred_sites_are_read_once_and_large_ones_make_room(n_bytes, n_read, monkeypatch):
    """64 of any size are kept; asked for in turn twice, the first of a hundred is gone again."""
    monkeypatch.setattr("modalities.core.site.store._kept", OrderedDict())
    values, read = np.zeros(n_bytes, dtype=np.uint8), []

    def make():
        read.append(1)
        return Cases(("k1",), values)

    for number in [*range(100), *range(100)]:
        _keep((number,), make)
    assert len(read) == n_read


def test_a_replaced_raw_file_is_read_again(folder):
    before = SiteData(folder, federation()).cases("hif")
    path = folder / "hif.csv"
    path.write_text(path.read_text().replace("k8,8,64", "k8,9,64"))
    os.utime(path, (5, 5))
    after = SiteData(folder, federation()).cases("hif")
    assert (before.values[0, 0], after.values[0, 0]) == (8, 9)


def test_a_file_replaced_inside_a_raw_folder_is_read_again(folder):
    (folder / "raw").mkdir()
    shutil.move(folder / "cna.txt", folder / "raw" / "data_cna.txt")
    path = folder / "site.yaml"
    path.write_text(path.read_text().replace("cna.txt", "raw"))
    before = SiteData(folder, federation()).cases("cnv")
    (folder / "raw" / "data_cna.txt").write_text("Hugo_Symbol\tk9\tk3\nMYC\t-2\t0\n")
    after = SiteData(folder, federation()).cases("cnv")
    assert (before.values[0, 0], after.values[0, 0]) == (1, -2)


def test_another_sheet_of_the_same_workbook_is_read_again(folder):
    rows = [["case_id", "f", "g"], ["k1", 1, 2]]
    write_book(folder / "hif.xlsx", rows, Other=[rows[0], ["k1", 3, 4]])
    site = (folder / "site.yaml").read_text().replace("hif.csv]", "hif.xlsx], sheet: Cases")
    values = {}
    for sheet in ("Cases", "Other"):
        (folder / "site.yaml").write_text(site.replace("Cases", sheet))
        values[sheet] = SiteData(folder, federation()).cases("hif").values.tolist()
    assert values == {"Cases": [[1, 2]], "Other": [[3, 4]]}


def test_a_file_is_read_again_when_site_yaml_says_something_else_of_it(folder):
    settings = federation_from({"task": {"classes": ["A", "B"], "drop": ["X"]}, "modalities": {"clinical": {}}})
    (folder / "er.csv").write_text("case_id,ER\n" + "".join(f"k{n},{'positiv' if n else 'pos'}\n" for n in range(11)))
    source = "{paths: [er.csv], columns: {er: ER}, values: {er: {positiv: %s}}}"
    seen = []
    for word in ("positive", "negative", "missing"):
        (folder / "site.yaml").write_text(f"name: north\nsources: {{clinical: {source % word}}}\n")
        cases = SiteData(folder, settings).cases("clinical")
        seen.append(int(cases.values[:, cases.features.index("er=positive")].sum()))
    assert seen == [11, 1, 1]


def test_digest_depends_on_names_types_shapes_and_bytes():
    base = {"a": np.zeros(6), "b": np.ones(2, np.int64)}
    others = [
        {"a": np.zeros(6), "c": np.ones(2, np.int64)},
        {"a": np.zeros(6, np.float32), "b": np.ones(2, np.int64)},
        {"a": np.zeros((2, 3)), "b": np.ones(2, np.int64)},
        {"a": np.zeros(6), "b": np.array([1, 2])},
    ]
    assert digest_of(dict(reversed(base.items()))) == digest_of(base)
    assert len({digest_of(base), *(digest_of(other) for other in others)}) == 5


def test_example_sites_are_the_same_files_for_the_same_seed(tmp_path):
    federation = small_federation()
    roots = [write_sites(tmp_path / name, federation) for name in ("one", "other")]
    files = [sorted(path.relative_to(root) for path in root.rglob("*") if path.is_file()) for root in roots]
    assert files[0] == files[1]
    assert all((roots[0] / file).read_bytes() == (roots[1] / file).read_bytes() for file in files[0])


def test_selecting_cases_keeps_their_values_and_the_notes():
    cases = Cases(("a", "b", "c"), np.arange(6).reshape(3, 2), ("x", "y"), {"n": 2})
    assert cases.select(["c", "a"]).values.tolist() == [[4, 5], [0, 1]]
    assert cases.select(["c", "a"]).notes == {"n": 2}
    listed = Cases(("a", "b"), ["first", "second"]).select(["b"])
    assert listed.values == ["second"]
