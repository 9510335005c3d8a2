"""predictions.csv in a spreadsheet, and a release that is exchanged while it is read."""

import csv
import dataclasses
import io
import json

import pytest

import client.use.predict
from client.use.predict import predict, predict_folder
from client.use.prediction_page import write_predictions
from modalities.core.release.release import open_release
from modalities.core.release.signing import make_release_key, sign
from server.state.release import write_release
from tests.support import ONE_ROUND, run_small, small_federation, write_sites

FEDERATION = small_federation(fusion__rounds=1, **ONE_ROUND)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_sites(tmp_path_factory.mktemp("sites"), FEDERATION)


@pytest.fixture
def signed(root, tmp_path):
    make_release_key(tmp_path / "release.key", tmp_path / "release.pub")
    sign(write_release(tmp_path / "release", run_small(root, FEDERATION)), tmp_path / "release.key")
    return tmp_path / "release"


def test_no_cell_of_the_csv_is_a_formula_whatever_a_case_or_a_class_is_called(signed, root, tmp_path):
    found = predict(open_release(signed), root / "site_1")
    names = ["=cmd|'/C calc'!A0", "+1", "-x", "@sum", "\tx", "case-1"]
    classes = ("+cmd|x", *found.classes[1:])
    odd = dataclasses.replace(found, case_ids=(*names, *found.case_ids[len(names) :]), classes=classes)
    text = write_predictions(odd, tmp_path / "out")[0].read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["case_id"] for row in rows[:6]] == [*(f"'{name}" for name in names[:5]), "case-1"]
    assert {row["predicted"] for row in rows} <= {"'+cmd|x", *classes[1:], ""}
    cells = [cell for row in rows for name, cell in row.items() if not name.startswith(("p_", "from_"))]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t"))]
    assert any(float(row["from_cnv"]) < 0 for row in rows if row["from_cnv"])  # numbers stay numbers


def test_what_is_used_is_what_was_signed_though_model_json_changes_in_between(root, signed, tmp_path, monkeypatch):
    """The signature is checked, then the release is read: both of the same bytes."""
    forged = json.loads((signed / "model.json").read_text())
    forged["class_counts"] = dict.fromkeys(forged["class_counts"], 1)

    def exchanged(folder):
        (folder / "model.json").write_text(json.dumps(forged))
        return open_release(folder)

    monkeypatch.setattr(client.use.predict, "open_release", exchanged)
    with pytest.raises(ValueError, match=r"the signature does not fit model\.json"):
        predict_folder(root / "site_1", signed, tmp_path / "release.pub")
