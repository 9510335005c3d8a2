"""What sites lack is said once, by name; a modality that tells the class by being there is refused before round 1."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from modalities.core.site.cases import open_site
from simulations.arms.arms import run_arm
from simulations.cohorts.cohort import Cohort, with_features_of_data
from simulations.studies.experiment import Protocol, prepare_folds
from simulations.studies.lacks import say_what_sites_lack
from tests.support import N_CASES, small_federation, write_sites

FEDERATION = small_federation()


def cohort_in(root: Path, n_cases: Sequence[int] = N_CASES) -> Cohort:
    """The made-up sites of `write_sites` as the cohort of an experiment."""
    write_sites(root, FEDERATION, n_cases=n_cases)
    frames, sources = [], {}
    for folder in sorted(root.iterdir()):
        table = pd.read_csv(folder / "cases.csv", keep_default_na=False).set_index("case_id")
        frames.append(pd.DataFrame({"label": table[FEDERATION.task.label], "site": folder.name}))
        sources[folder.name] = dict(open_site(folder, FEDERATION.task).sources)
    return Cohort(pd.concat(frames), sources)


def without_a_column(cohort: Cohort, site: str, column: str) -> None:
    (path,) = cohort.sources[site]["hif"].paths
    pd.read_csv(path).drop(columns=column).to_csv(path, index=False)


def test_a_note_is_said_once_with_the_sites_that_it_is_true_of(tmp_path, caplog):
    cohort = cohort_in(tmp_path / "raw")
    lost = FEDERATION.modalities["hif"].features[0]
    for site in ("site_1", "site_3"):
        without_a_column(cohort, site, lost)
    console = Console(record=True, width=300)
    federation = with_features_of_data(FEDERATION, cohort, tmp_path)
    folds = prepare_folds(cohort, federation, Protocol("x", folds=2), tmp_path)
    say_what_sites_lack(folds[0], federation, console)
    said = [line for line in console.export_text().splitlines() if lost in line]
    assert len(said) == 1
    assert said[0].startswith("site_1, site_3: hif: 1 of the ")
    run_arm("federated", folds[0])
    assert lost not in caplog.text, "the arms do not say it again"


def test_a_modality_that_only_one_class_has_is_refused_before_any_arm_runs(tmp_path):
    cohort = cohort_in(tmp_path / "raw")
    for site in ("site_1", "site_3"):
        (path,) = cohort.sources[site]["hif"].paths
        table = pd.read_csv(path)
        is_basal = table.iloc[:, 0].map(cohort.cases["label"]) == "Basal"
        table[is_basal].to_csv(path, index=False)
    with pytest.raises(ValueError, match=r"^hif: all \d+ training cases that hold it are Basal, .*leave hif out"):
        prepare_folds(cohort, FEDERATION, Protocol("x", folds=2), tmp_path / "out")


def test_an_input_that_one_site_sees_to_be_the_label_is_refused_at_all_before_any_arm_runs(tmp_path):
    cohort = cohort_in(tmp_path / "raw", (97, *N_CASES[1:]))
    telling = FEDERATION.modalities["hif"].features[0]
    (path,) = cohort.sources["site_1"]["hif"].paths
    table = pd.read_csv(path)
    table[telling] = (table.iloc[:, 0].map(cohort.cases["label"]) == "LumA").astype(float)
    table.to_csv(path, index=False)
    with pytest.raises(ValueError, match=rf"^hif at site_1: {telling} must not be inputs: .*leave them out"):
        prepare_folds(cohort, FEDERATION, Protocol("x", folds=2), tmp_path / "out")
