"""Sites with nothing but feature files, each of another tool, train both slide branches together."""

import json

import cv2
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from client.cli import app
from client.use.explain import explain_case
from modalities.core.contract import Source
from modalities.core.release.release import open_release
from modalities.core.settings.federation import federation_from
from modalities.core.settings.site import Policy, write_site
from modalities.core.site.store import SiteData
from server.state.release import fitted_model, write_release
from simulations.arms import scoring
from tests.modalities.lazyslide import write_lazyslide
from tests.modalities.wsi import write_clam, write_stamp, write_trident
from tests.support import run_small

N_CASES = (45, 39, 42, 36)
WRITERS = (write_trident, write_clam, write_stamp, write_lazyslide)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The folder of the sites, and the study that was trained on them."""
    root = tmp_path_factory.mktemp("sites")
    rounds = {"federated": {"rounds": 12, "patience": 0, "server_lr": 0.05}}
    federation = federation_from(
        {
            "seed": 5,
            "task": {"classes": ["A", "B", "C"]},
            "fusion": {"folds": 2, "rounds": 3},
            "modalities": {"wsi_image": rounds, "wsi_graph": {**rounds, "inputs": "features", "convolution": "sage"}},
        }
    )
    for number, (write, n_cases) in enumerate(zip(WRITERS, N_CASES, strict=True)):
        rng = np.random.default_rng(number)
        labels = rng.permutation(np.arange(n_cases) % 3)
        case_ids = [f"site-{number}-case-{case:02d}" for case in range(n_cases)]
        source = Source((write(root / f"site_{number}" / "features", case_ids, labels, rng),))
        splits = np.where(np.arange(n_cases) % 3, "train", "test")
        cases = pd.DataFrame(
            {"case_id": case_ids, "label": [federation.task.classes[c] for c in labels], "split": splits}
        )
        sources = {"wsi_image": source, "wsi_graph": source}
        write_site(root / f"site_{number}", f"site_{number}", cases, sources, Policy(min_cohort=0, min_cell=0))
    return root, run_small(root, federation)


def test_both_branches_and_their_fusion_predict_test_cases_of_every_tool(study):
    root, trained = study
    sites = [SiteData(root / name, trained.federation) for name in (f"site_{number}" for number in range(len(WRITERS)))]
    tested = scoring.test_cases(sites, trained.federation)
    table = scoring.score(fitted_model(trained), tested, "federated", subsets=False)
    table["right"] = table.filter(like="p_").to_numpy().argmax(axis=1) == table["label"]
    for (name, site), rows in table.groupby(["set", "site"]):
        assert rows["right"].mean() > 0.6, f"{name} at {site}: chance is a third"


def test_no_slide_is_there(study):
    root, _ = study
    files = [path for path in root.rglob("*") if path.is_file() and not any(".zarr" in part for part in path.parts)]
    endings = {path.suffix for path in files}
    assert endings <= {".h5", ".pt", ".yaml", ".csv"}, "whatever was made lies there too"


def test_case_is_explained_by_squares_in_level_0_pixels_that_add_up(study, tmp_path):
    root, trained = study
    release = open_release(write_release(tmp_path / "release", trained))
    for site, name, side in (("site_0", "site-0-case-03", 512), ("site_1", "site-1-case-03", 512)):
        written = explain_case(root / site, release, name, tmp_path / site)
        assert {modality for modality, _, _ in written} == {"wsi_image", "wsi_graph"}
        data = SiteData(root / site, trained.federation)
        logits = fitted_model(trained).outputs({key: data.cases(key) for key in data.modalities}, [name]).logits
        for modality, label, picture in written:
            shown = trained.federation.task.classes.index(label)
            assert shown == int(logits[modality][0].argmax())
            found = json.loads(picture.with_suffix(".geojson").read_text())
            assert found["type"] == "FeatureCollection"
            total = sum(feature["properties"]["measurements"]["contribution"] for feature in found["features"])
            bias = trained.weights[modality]["head.bias"][shown]
            assert total + bias == pytest.approx(float(logits[modality][0, shown]), abs=1e-4)
            ring = np.array(found["features"][0]["geometry"]["coordinates"][0])
            assert ring.shape == (5, 2)
            assert np.array_equal(ring[0], ring[-1])
            assert np.ptp(ring, axis=0).tolist() == [side, side]
            image = cv2.imread(str(picture))
            assert image is not None
            assert image.std() > 5, "tiles on white"


def test_command_names_what_it_wrote_and_refuses_what_it_does_not_know(study, tmp_path):
    root, trained = study
    release = write_release(tmp_path / "release", trained)
    asked = ["explain", str(root / "site_0"), "--release", str(release), "--out", str(tmp_path / "out")]
    failed = CliRunner().invoke(app, [*asked, "--case", "site-0-case-05"])
    assert "--unsigned for a release that you made yourself" in " ".join(failed.output.split()), "nobody signed it"
    asked.append("--unsigned")
    done = CliRunner().invoke(app, [*asked, "--case", "site-0-case-05", "--label", "B"])
    assert done.exit_code == 0, done.output
    assert "wsi_graph: B:" in done.output
    for wrong, message in (
        (["--case", "nobody"], "no case 'nobody' in the site's cases.csv"),
        (["--case", "site-0-case-05", "--label", "Z"], "no class 'Z'; the release knows A, B, C"),
    ):
        failed = CliRunner().invoke(app, [*asked, *wrong])
        assert failed.exit_code == 1
        assert message in failed.output
    (release / "branches" / "wsi_image.safetensors").write_bytes(b"other")
    failed = CliRunner().invoke(app, [*asked, "--case", "site-0-case-05"])
    assert "missing or changed since the release: branches/wsi_image.safetensors" in failed.output.replace("\n", "")
