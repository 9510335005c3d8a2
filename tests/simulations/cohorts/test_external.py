"""An external cohort that knows nothing of what the training cases know is refused; what it lacks is said."""

import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from modalities.core.contract import Source
from modalities.core.settings.federation import federation_from
from modalities.core.settings.site import Policy, write_site
from modalities.core.site.store import SiteData
from simulations.arms import scoring
from simulations.arms.arms import run_arm
from simulations.cohorts.cohort import Cohort, with_features_of_data
from simulations.cohorts.external import Lack, compare_external, notes_of_lacks
from simulations.cohorts.inputs import tcga_cohort, tcga_federation
from simulations.studies.experiment import Protocol, prepare_folds

FEDERATION = federation_from({"modalities": {"hif": {"kind": "table", "features": ["a", "b", "c"]}}})


def cohort(tmp_path, name, header, rows):
    path = tmp_path / f"{name}.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return Cohort(pd.DataFrame(), {name: {"hif": Source((path,))}})


@pytest.fixture
def trained(tmp_path):
    """No training case has c."""
    return cohort(tmp_path, "trained", "case_id,a,b", ["k1,1,", "k2,2,3"])


def test_what_an_external_cohort_lacks_of_what_training_cases_have_is_said(tmp_path, trained):
    external = cohort(tmp_path, "outside", "case_id,b,c", ["x1,1,1", "x2,,1"])
    lacks = compare_external(trained, external, FEDERATION)
    assert lacks == {"hif": Lack(("a",), 2)}
    assert notes_of_lacks(lacks) == [
        "hif: the external cohort lacks 1 of the 2 features that training cases have: a; they are imputed"
    ]
    complete = cohort(tmp_path, "complete", "case_id,a,b", ["x1,1,1"])
    assert compare_external(trained, complete, FEDERATION) == {}


def test_an_external_cohort_that_knows_only_what_no_training_case_has_is_refused(tmp_path, trained):
    external = cohort(tmp_path, "outside", "case_id,c", ["x1,1", "x2,2"])
    said = (
        r"external cohort, hif: outside\.csv: no value of any of the 2 features that training cases have \(a, b\); it "
        r"has c, which no training case has; give its columns those names, or leave hif out"
    )
    with pytest.raises(ValueError, match=said):
        compare_external(trained, external, FEDERATION)


def test_a_modality_that_no_external_site_holds_is_said(tmp_path, trained):
    lacks = compare_external(trained, Cohort(pd.DataFrame(), {"outside": {}}), FEDERATION)
    assert lacks == {"hif": Lack(held=False)}
    assert notes_of_lacks(lacks) == ["hif: no external site holds it"]


def test_a_site_of_whose_cases_nothing_is_known_holds_the_modality_in_no_arm_and_says_why(tmp_path):
    source = cohort(tmp_path, "raw", "case_id,x,y", ["k1,1,2", "k2,3,4"]).sources["raw"]
    cases = pd.DataFrame({"case_id": ["k1", "k2"], "label": ["LumA", "LumB"], "split": "test"})
    write_site(tmp_path / "north", "north", cases, source, Policy(min_cohort=0, min_cell=0))
    site = SiteData(tmp_path / "north", FEDERATION)
    assert not scoring.test_cases([site], FEDERATION).holds["hif"].any()
    said = r"raw\.csv: none of the 3 agreed features has a value here; compare their spelling"
    with pytest.raises(ValueError, match=said):
        raise ValueError(site.unusable["hif"])


@pytest.mark.slow
def test_the_federated_clinical_model_of_tcga_reaches_79_on_all_of_metabric(tcga_data, tmp_path):
    """Logistic regression on receptors, age, nodes, menopause and lobular type reaches .799 there."""
    if not (tcga_data / "metabric").is_dir():
        pytest.skip(f"no METABRIC at {tcga_data}")
    settled = tcga_federation(None, 0, None, modalities="clinical", clinical=None, cnv=None)
    trained = tcga_cohort(tcga_data / "tcga-brca", settled, 20, None, tmp_path / "sites")
    outside = tcga_cohort(tcga_data / "metabric", settled, 20, None, tmp_path / "external", prefix="external_")
    settled = with_features_of_data(settled, trained, tmp_path)
    (note,) = notes_of_lacks(compare_external(trained, outside, settled))
    assert note.startswith("clinical: the external cohort lacks 8 of the 34 features that training cases have: m, ")
    fold = prepare_folds(trained, settled, Protocol("tcga", folds=2), tmp_path, outside)[-1]
    found = run_arm("federated", fold).predictions.query("set == 'clinical'")
    assert len(found) == 1608
    assert roc_auc_score(found["label"], found[[f"p_{n}" for n in range(4)]], multi_class="ovr") >= 0.79


@pytest.mark.slow
def test_federated_and_pooled_rank_metabric_alike_where_inputs_and_modalities_are_missing_that_training_had(
    tcga_data, tmp_path
):
    """16 of 39 arms and 8 of 34 clinical features are nowhere in METABRIC, and 743 patients have no copy number."""
    if not (tcga_data / "metabric").is_dir():
        pytest.skip(f"no METABRIC at {tcga_data}")
    settings = ["modalities.cnv.values=arms"]
    settled = tcga_federation(None, 0, settings, modalities="cnv,clinical", clinical=None, cnv=None)
    trained = tcga_cohort(tcga_data / "tcga-brca", settled, 20, None, tmp_path / "sites")
    outside = tcga_cohort(tcga_data / "metabric", settled, 20, None, tmp_path / "external", prefix="external_")
    settled = with_features_of_data(settled, trained, tmp_path)
    fold = prepare_folds(trained, settled, Protocol("tcga", folds=2), tmp_path, outside)[-1]
    federated, pooled = (run_arm(arm, fold).predictions for arm in ("federated", "centralised"))
    sizes = {"cnv": 865, "clinical": 1608, "fused": 1608, "fused@cnv+clinical": 865}
    for name, size in sizes.items():
        assert len(federated.query("set == @name")) == size
        assert macro_auroc(federated, name) == pytest.approx(macro_auroc(pooled, name), abs=0.01)
    assert macro_auroc(federated, "fused@cnv+clinical") >= 0.87


def macro_auroc(predictions, name):
    own = predictions[predictions["set"] == name]
    return roc_auc_score(own["label"], own[[f"p_{n}" for n in range(4)]], multi_class="ovr")
