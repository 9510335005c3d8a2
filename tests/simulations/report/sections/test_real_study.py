"""The section on what a real study would have known: each number stands where it is looked for."""

import pytest

from simulations.report.names import with_site_names
from simulations.report.sections import SECTIONS
from simulations.report.sections.real_study import real_study

MINUS = "\N{MINUS SIGN}"


def estimate(value, low, high, bound=None, reason=""):
    return {"value": value, "low": low, "high": high, "bound": bound, "reason": reason}


def on_set(n, *numbers, **more):
    return {"fused": {"n": n, "macro_auroc": estimate(*numbers, **more)}}


def site(federated, local=None, gain=None):
    models = {"federated": federated, "local": local, "gain": gain}
    return {"is_external": local is None, "results": {model: own for model, own in models.items() if own}}


def pooled(value, low, high, prediction, i2):
    ends = dict(zip(("prediction_low", "prediction_high"), prediction, strict=True))
    return {"fused": {"macro_auroc": estimate(value, low, high), "sites": 3, "i2": i2, **ends}}


@pytest.fixture
def results():
    gain = {**on_set(120, 0.0721, 0.0312, 0.1134)["fused"], "sites": 2, "sites_that_gain": 1, "margin": 0.02}
    evaluation = {
        "federated": on_set(120, 0.91234, 0.8811, 0.9402, 0.00129),
        "gain": {"test": {"fused": {**gain, "verdict": "superior"}}},
        "sites": {
            "A2": site(on_set(61, 0.93, 0.9, 0.95), on_set(61, 0.8, 0.7, 0.9), on_set(61, 0.13, 0.05, 0.21)),
            "B6": site(on_set(55, 0.85, 0.7, 0.93), on_set(55, 0.86, 0.8, 0.9), on_set(55, -0.01, -0.08, 0.06)),
            "C1": site(*[on_set(4, None, None, None, reason="fewer than 5")] * 3),
        },
        "meta": {
            "federated": pooled(0.902, 0.871, 0.929, (0.801, 0.957), 0.41),
            "gain": pooled(0.064, -0.012, 0.14, (-0.15, 0.278), 0.553),
        },
    }
    federated = {"fused": {"n": 120, "macro_auroc": {"value": 0.91261, "low": 0.8822, "high": 0.9391}}}
    task = {"name": "x", "classes": ["a", "b"], "modalities": ["cnv"]}
    return {"task": task, "arms": {"federated": federated}, "evaluation": evaluation}


def tables_of(results):
    return {table.caption.partition(":")[0]: table for table in real_study(results).tables}


def test_what_sums_say_stands_beside_what_only_all_predictions_say(results):
    table = tables_of(results)["Macro-AUROC of the federated model"]
    assert table.header[2:] == ("exact", "from sums", "bound", "interval from sums", "bootstrap interval")
    assert table.rows == (
        ("Fused, any case", "120", "0.91261", "0.91234", "0.00129", "0.881 to 0.940", "0.882 to 0.939"),
    )
    assert "bound allows" not in real_study(results).note


def test_fewer_cases_than_the_arm_has_are_said(results):
    results["arms"]["federated"]["fused"]["n"] = 131
    assert tables_of(results)["Macro-AUROC of the federated model"].rows[0][1] == "120 of 131"


def test_numbers_further_apart_than_the_bound_are_named(results):
    exact = results["arms"]["federated"]["fused"]["macro_auroc"]
    exact["value"] = 0.91364  # .0013 from the sums, and the bound is .00129
    assert "Further from the exact value than the bound allows: Fused, any case." in real_study(results).note
    exact["value"] = 0.91362
    assert "bound allows" not in real_study(results).note


def test_who_gains_stands_by_code_and_name(results):
    section = real_study(with_site_names({**results, "site_names": {"A2": "Walter Reed", "B6": "Duke"}}))
    rows = next(table for table in section.tables if table.header[0] == "site").rows
    assert rows == (
        (
            *("A2, Walter Reed", "61", "0.930 (0.900 to 0.950)", "0.800 (0.700 to 0.900)"),
            *("+0.130 (+0.050 to +0.210)", "gains"),
        ),
        (
            *("B6, Duke", "55", "0.850 (0.700 to 0.930)", "0.860 (0.800 to 0.900)"),
            *(f"{MINUS}0.010 ({MINUS}0.080 to +0.060)", "not shown"),
        ),
        ("C1", "4", "n/a", "n/a", "n/a", "fewer than 5"),
    )
    assert section.note == (
        "Over all pairs of cases within sites the difference is +0.072 (+0.031 to +0.113): superior, training together "
        "is better by more than 0.02; higher at 1 of 2 sites."
    )
    labels = [label.get_text().strip() for label in section.pictures[0].figure.axes[0].get_yticklabels()]
    assert labels[0] == "Federated minus the site's own model: fused, any case"
    assert labels[1:] == ["A2, Walter Reed", "B6, Duke", "A hospital on average", "A new hospital"]


def test_the_meta_analysis_says_where_a_new_hospital_lies(results):
    assert tables_of(results)["Meta-analysis"].rows == (
        ("federated: Fused, any case", "3", "0.902 (0.871 to 0.929)", "0.801 to 0.957", "41 %"),
        (
            *("difference: Fused, any case", "3", f"+0.064 ({MINUS}0.012 to +0.140)"),
            *(f"{MINUS}0.150 to +0.278", "55 %"),
        ),
    )


def test_without_own_models_the_federated_one_is_shown_by_site_and_the_note_says_where_to_look(results):
    evaluation = results["evaluation"]
    evaluation["gain"]["test"], evaluation["meta"] = {}, {}
    evaluation["sites"] = {name: site(own["results"]["federated"]) for name, own in evaluation["sites"].items()}
    section = real_study(results)
    assert [table.caption for table in section.tables] == ["Macro-AUROC of the federated model"]
    labels = [label.get_text().strip() for label in section.pictures[0].figure.axes[0].get_yticklabels()]
    assert labels == ["Federated model: fused, any case", "A2, external", "B6, external"]
    assert "python -m simulations.studies.by_site RUN OTHER_RUN" in section.note


def test_a_run_that_was_not_evaluated_has_no_such_section(results):
    assert real_study in SECTIONS
    assert real_study({**results, "evaluation": {}}) is None
    assert real_study({}) is None
