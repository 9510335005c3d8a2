"""`tessera-client predict`: raw files and a signed release -> the probabilities of the study's own evaluation."""

import hashlib
import re
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from client.cli import app
from client.use.predict import predict, predict_folder, predict_frames
from client.use.prediction_page import page_of, write_predictions
from modalities.core.contract import Source
from modalities.core.release.release import open_release
from modalities.core.release.signing import fingerprint, make_release_key, public_key, sign
from modalities.core.settings.site import Policy, write_site
from modalities.core.site.cases import open_site
from modalities.core.site.store import SiteData
from server.cli import app as server
from server.state.release import fitted_model, write_release
from simulations.arms import scoring
from tests.support import run_small, small_federation, write_sites

NAMES = ("clinical", "cnv", "hif")
SUBSETS = [kept for size in (1, 2, 3) for kept in combinations(NAMES, size)]
FEDERATION = small_federation(
    modalities__clinical={"kind": "clinical", "federated": {"rounds": 2, "patience": 0}},
)
HOLDINGS = (NAMES, ("cnv", "clinical"), ("hif", "cnv", "clinical"))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_sites(tmp_path_factory.mktemp("sites"), FEDERATION, HOLDINGS, (37, 19, 23))


@pytest.fixture(scope="module")
def study(root):
    return run_small(root, FEDERATION)


@pytest.fixture
def signed(study, tmp_path):
    """A signed release; the public key lies beside it."""
    make_release_key(tmp_path / "release.key", tmp_path / "release.pub")
    sign(write_release(tmp_path / "release", study), tmp_path / "release.key")
    return tmp_path / "release"


def masked(root, folder, kept):
    """Site 1's raw files of some modalities, with a case list that names no label."""
    site = open_site(root / "site_1", FEDERATION.task)
    cases = pd.DataFrame({"case_id": site.cases.index, "label": ""})
    write_site(folder, "masked", cases, {name: site.sources[name] for name in kept}, Policy())
    return folder


@pytest.fixture(scope="module")
def evaluated(root, study):
    """The study's own evaluation of its test cases."""
    sites = [SiteData(root / f"site_{number}", FEDERATION) for number in (1, 2, 3)]
    return scoring.score(fitted_model(study), scoring.test_cases(sites, FEDERATION), "federated")


@pytest.mark.parametrize("kept", SUBSETS, ids="+".join)
def test_predictions_from_raw_files_are_those_of_the_studys_evaluation(kept, root, evaluated, signed, tmp_path):
    found = predict_folder(masked(root, tmp_path / "site", kept), signed, signed.parent / "release.pub")
    row = {case_id: position for position, case_id in enumerate(found.case_ids)}
    # The evaluation names its sets in the order of the settings.
    own = evaluated[evaluated["set"].map(lambda name: set(name.removeprefix("fused@").split("+")) == set(kept))]
    own = own[own["set"].str.startswith("fused@") & (own["site"] == "site_1")]
    assert len(own) >= 5
    expected = own[[f"p_{index}" for index in range(4)]].to_numpy()
    np.testing.assert_allclose(found.probabilities[[row[case_id] for case_id in own["case_id"]]], expected, atol=1e-6)


def test_prior_and_contributions_add_up_to_the_probability_and_a_lacking_modality_adds_nothing(root, study, signed):
    found = predict(open_release(signed), root / "site_3")
    known = found.present.any(axis=1)
    assert len(set(found.present.sum(axis=1))) > 1, "the cases differ in what they have"
    predicted = np.array(found.predicted)
    own = found.probabilities[np.arange(len(known)), predicted]
    total = found.prior[predicted] + found.contributions.sum(axis=1)
    np.testing.assert_allclose(total[known], own[known], atol=1e-12)
    assert (found.contributions[~found.present] == 0).all()
    assert (found.contributions[found.present] != 0).all()
    np.testing.assert_allclose(found.prior, np.array(study.class_counts) / sum(study.class_counts))


def test_data_frames_are_predicted_as_the_files_they_could_be(root, signed, tmp_path):
    """Clinical fields as a registry writes them, and features; one case has clinical values only."""
    case_ids = [f"P{number}" for number in range(5)]
    clinical = pd.DataFrame({"age": [41, 77, 58.5, np.nan, 63], "er": ["Positive", "Negative", "", "Positive", ""]})
    clinical.index = pd.Index(case_ids, name="case_id")
    features = FEDERATION.modalities["hif"].features
    hif = pd.DataFrame(np.random.default_rng(3).normal(size=(4, len(features))), case_ids[:4], columns=list(features))
    hif.iloc[1, 2] = np.nan
    clinical.to_csv(tmp_path / "clinical.csv")
    hif.rename_axis("case_id").to_csv(tmp_path / "hif.csv")
    mapped = {"age": "age", "er": "er"}
    sources = {
        "clinical": Source((tmp_path / "clinical.csv",), columns=mapped),
        "hif": Source((tmp_path / "hif.csv",)),
    }
    write_site(tmp_path / "site", "site", pd.DataFrame({"case_id": case_ids, "label": ""}), sources, Policy())
    release = open_release(signed)
    from_files, found = predict(release, tmp_path / "site"), predict_frames(release, {"clinical": clinical, "hif": hif})
    assert found.case_ids == from_files.case_ids == tuple(case_ids)
    np.testing.assert_array_equal(found.present, from_files.present)
    assert found.present.sum(axis=1).tolist() == [2, 2, 2, 2, 1]
    np.testing.assert_allclose(found.probabilities, from_files.probabilities, atol=1e-6)
    np.testing.assert_allclose(found.contributions, from_files.contributions, atol=1e-6)


def test_everything_that_is_wrong_with_frames_is_said_at_once(signed):
    release, features = open_release(signed), FEDERATION.modalities["hif"].features
    text = pd.DataFrame({features[0]: ["high", "low"], features[1]: [1.0, 2.0]}, ["P1", "P1"])
    other = pd.DataFrame({"nothing": [1.0]}, ["P1"])
    said = (
        r"(?s)rna: not a modality of this release, which has clinical, cnv, hif.*"
        rf"hif: .*columns that hold no numbers: {features[0]}; convert them.*"
    )
    with pytest.raises(ValueError, match=said):
        predict_frames(release, {"rna": other, "hif": text.set_axis(["P1", "P2"])})
    with pytest.raises(ValueError, match="cases that the index has more than once: P1; keep one row a case"):
        predict_frames(release, {"hif": text})
    with pytest.raises(ValueError, match="no column is an agreed feature; the frame has nothing, the release reads"):
        predict_frames(release, {"cnv": other})
    with pytest.raises(ValueError, match="give the frame of at least one modality"):
        predict_frames(release, {})


def test_columns_that_a_frame_has_beside_or_lacks_are_counted(signed):
    features = FEDERATION.modalities["hif"].features
    frame = pd.DataFrame(0.5, ["P1", "P2"], [*features[2:], "more"])
    found = predict_frames(open_release(signed), {"hif": frame})
    assert found.notes == ("hif: 1 columns that the release does not read", "hif: 2 columns imputed")


def test_what_was_told_of_a_file_by_itself_alone_is_a_note(root, signed, tmp_path):
    path = masked(root, tmp_path / "site", ("hif",)) / "cases.csv"
    text = path.read_text().replace("\n", ",Köln\n").replace("label,Köln", "label,Größe", 1)
    path.write_bytes(text.encode("cp1252"))
    notes = predict(open_release(signed), tmp_path / "site").notes
    said = "cases.csv: not UTF-8: read as Windows-1252 (ANSI), from line 1 on, with the characters ß ö"
    assert [note for note in notes if "UTF-8" in note] == [said]


def test_files_have_a_row_a_case_blank_where_nothing_is_known(root, signed, tmp_path):
    folder = masked(root, tmp_path / "site", ("hif",))
    found = predict(open_release(signed), folder)
    table, page = write_predictions(found, tmp_path / "out")
    read = pd.read_csv(table).set_index("case_id")
    held = set(open_site(root / "site_1", FEDERATION.task).read("hif", FEDERATION.modalities["hif"]).case_ids)
    assert len(read) == 37
    assert 0 < read["predicted"].isna().sum() == 37 - len(held)
    assert read.loc[~read.index.isin(held)].drop(columns="modalities").isna().all(axis=None)
    assert set(read.loc[sorted(held), "modalities"]) == {"hif"}
    assert read["from_cnv"].isna().all()
    text = page.read_text("utf-8")
    assert len(re.findall("<tr><th>site_1-", text)) == 37
    assert not re.search(r"(src|href)=|https?:", text)


def heads_of(text):
    """The column heads of the table of cases."""
    return re.findall(
        r"<th>(.*?)</th>", text[text.index("<th>case_id</th>") :].split("</thead>")[0].replace("<wbr>", "")
    )


def test_the_page_names_its_columns_as_the_csv_does(root, signed, tmp_path):
    table, page = write_predictions(predict(open_release(signed), root / "site_1"), tmp_path / "out")
    csv, text = list(pd.read_csv(table).columns), page.read_text("utf-8")
    assert heads_of(text) == [name for name in csv if name not in ("training_case", "modalities")]
    assert "<b>modalities</b> and\n<b>training_case</b>" in text


def test_cases_with_a_label_that_are_no_test_cases_are_marked_and_others_are_not(root, signed, tmp_path):
    site = open_site(root / "site_1", FEDERATION.task)
    trained = {*site.cases.index[(site.cases["split"] == "train") & (site.cases["label"] >= 0)]}
    assert 0 < len(trained) < 37
    assert predict(open_release(signed), root / "site_1").trained == trained
    assert predict(open_release(signed), masked(root, tmp_path / "site", ("hif",))).trained == frozenset()


EVALUATION = {
    "federated": {
        "fused": {
            "n": 214,
            "macro_auroc": {"value": 0.9123, "low": 0.871, "high": 0.943, "reason": "", "bound": 0.002},
            "balanced_accuracy": {"value": None, "low": None, "high": None, "reason": "a class has no case"},
            "ece": {"value": 0.031, "low": 0.0, "high": 0.06, "reason": ""},
            "recall": {"LumA": {"value": 0.85, "low": 0.8, "high": 0.9, "reason": ""}},
        }
    }
}


@pytest.mark.parametrize("scored", ["test", "out of fold", "nothing"])
def test_the_head_of_the_page_says_release_signer_and_measured_accuracy(scored, root, study, tmp_path):
    more = {
        "test": {"evaluation": EVALUATION},
        "out of fold": {"evaluation": {"federated": {"fused": {"n": 0}}, "out_of_fold": EVALUATION}},
        "nothing": {},
    }[scored]
    make_release_key(tmp_path / "release.key", tmp_path / "release.pub")
    sign(write_release(tmp_path / "release", study, more), tmp_path / "release.key")
    found = predict_folder(root / "site_1", tmp_path / "release", tmp_path / "release.pub")
    text = page_of(found)
    assert hashlib.sha256((tmp_path / "release" / "model.json").read_bytes()).hexdigest()[:16] in text
    assert fingerprint(public_key(tmp_path / "release.pub")) in text
    assert "37 of site_1, predicted on" in text
    if scored == "nothing":
        assert "not measured: this release holds no evaluation" in text
        return
    cases = {"test": "214 test cases of the study", "out of fold": "214 training cases of the study"}[scored]
    assert cases in text
    assert "macro-AUROC 0.91 (95 % interval 0.87 to 0.94); balanced accuracy n/a: a class has no case; " in text
    assert "<td>0.85 (95 % interval 0.80 to 0.90)</td>" in text


def test_command_needs_a_key_or_to_be_told_that_there_is_none(root, signed, tmp_path):
    asked = ["predict", str(root / "site_1"), "--release", str(signed), "--out", str(tmp_path / "out")]
    found = CliRunner().invoke(app, asked)
    assert found.exit_code == 1
    assert "no such key; give the coordinator's release.pub with --key, or --unsigned" in found.output
    assert not (tmp_path / "out").exists()
    for more in (["--unsigned"], ["--key", str(tmp_path / "release.pub")]):
        found = CliRunner().invoke(app, [*asked, *more])
        assert found.exit_code == 0, found.output
        assert "37 cases, " in found.output
    assert (tmp_path / "out" / "predictions.html").is_file()


def test_folder_without_a_modality_of_the_release_and_one_with_repeated_cases_are_refused(root, signed, tmp_path):
    folder = masked(root, tmp_path / "site", ("hif",))
    text = (folder / "cases.csv").read_text("utf-8")
    (folder / "cases.csv").write_text("case_id,label\nsomebody-else,\n", "utf-8")
    with pytest.raises(ValueError, match=r"nothing to predict from: the release has clinical, cnv, hif"):
        predict(open_release(signed), folder)
    (folder / "cases.csv").write_text(text + "site_1-case-002,\n", "utf-8")
    with pytest.raises(ValueError, match=r"cases listed more than once: site_1-case-002; keep one row a case"):
        predict(open_release(signed), folder)


def flip_a_bit(release):
    path = release / "branches" / "cnv.safetensors"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


def change_the_model(release):
    path = release / "model.json"
    path.write_text(path.read_text("utf-8").replace('"cnv"', '"cnv" ', 1), "utf-8")


def lose_a_file(release):
    (release / "crossfit" / "hif@2.safetensors").unlink()


def sign_with_another_key(release):
    make_release_key(release.parent / "other.key", release.parent / "other.pub")
    sign(release, release.parent / "other.key")


def drop_the_signature(release):
    (release / "model.json.sig").unlink()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (flip_a_bit, "missing or changed since the release: branches/cnv.safetensors"),
        (change_the_model, "the signature does not fit model.json and release.pub"),
        (lose_a_file, "missing or changed since the release: crossfit/hif@2.safetensors"),
        (sign_with_another_key, "the signature does not fit model.json and release.pub"),
        (drop_the_signature, "no signature here"),
    ],
)
def test_verify_accepts_a_release_and_refuses_a_harmed_one_and_predict_does_too(harm, said, root, signed):
    key = signed.parent / "release.pub"
    assert CliRunner().invoke(server, ["verify", str(signed), "--key", str(key)]).exit_code == 0
    harm(signed)
    found = CliRunner().invoke(server, ["verify", str(signed), "--key", str(key)])
    assert found.exit_code == 1
    assert said in found.output.replace("\n", "")
    with pytest.raises(ValueError, match=re.escape(said)):
        predict_folder(root / "site_1", signed, key)


def test_a_release_that_nobody_signed_is_refused_with_the_way_to_read_it(root, signed):
    drop_the_signature(signed)
    with pytest.raises(ValueError, match=r"model\.json\.sig.*or give --unsigned for one that tessera-simulate made"):
        predict_folder(root / "site_1", signed, signed.parent / "release.pub")
