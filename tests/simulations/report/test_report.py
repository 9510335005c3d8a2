"""The report of a made-up but plausible study."""

import re
from pathlib import Path

import pandas as pd
import pytest

from simulations.report import build, overview, words, write_report, write_study
from simulations.report.names import with_site_names
from strategies.report.look import svg_uri
from strategies.report.words import MINUS
from tests.simulations.report.made_up import PAM50, MadeUpStudy, made_up_results
from tests.strategies.report.pages import Page

SECTIONS = [
    *("summary", "key-figures", "arms", "performance", "differences", "curves", "confusion", "roc", "recall", "sites"),
    *("subsets", "reliability", "site-by-class", "site-by-modality", "traffic", "external", "protocol"),
]


@pytest.fixture(scope="module")
def whole() -> tuple[dict, pd.DataFrame]:
    return made_up_results(MadeUpStudy(300), outside=MadeUpStudy(120, n_sites=2, seed=1))


@pytest.fixture(scope="module")
def report(whole, tmp_path_factory) -> Path:
    return write_report(*whole, tmp_path_factory.mktemp("out") / "new")


def test_the_report_has_every_section_in_order_and_needs_nothing_else(report):
    page = Page(report)
    assert page.ids == SECTIONS
    assert {"script", "link", "iframe"} & page.tags == set()
    assert len(page.images) == 9
    assert len({image["src"] for image in page.images}) == 9, "each picture once"
    for image in page.images:
        assert image["src"].startswith("data:image/svg+xml;base64,")
        assert len(image["alt"]) > 40
    assert "://" not in re.sub(r'src="[^"]*"', "", report.read_text(encoding="utf-8"))
    assert report.with_name("report_summary.png").read_bytes().startswith(b"\x89PNG")


def test_contents_lead_to_every_section(report):
    assert re.findall('<a href="#([^"]+)">', report.read_text(encoding="utf-8")) == SECTIONS


def test_each_section_says_how_to_read_it(report):
    _, summary, *others = report.read_text(encoding="utf-8").split("<section")
    assert '<p class="read">' not in summary, "it is words already"
    assert all('<p class="read">' in section for section in others)


def test_the_numbers_are_those_of_the_results(whole, report):
    text, results = Page(report).text, whole[0]
    for arm in ("federated", "local", "reference"):
        found = results["arms"][arm]["fused"]["balanced_accuracy"]
        assert f"{found['value']:.3f} {found['low']:.3f} to {found['high']:.3f}" in text
    gap = results["differences"]["federated-centralised"]["fused_complete"]["macro_auroc"]
    assert f"{gap['value']:+.3f}".replace("-", MINUS) in text
    assert f"scored on {results['arms']['federated']['fused_complete']['n']} patients" in text


@pytest.fixture
def no_pictures(monkeypatch):
    """Pictures take seconds and are looked at by other tests."""
    monkeypatch.setattr(build, "pictures", lambda results, predictions: {})


def test_names_are_escaped(whole, report, tmp_path, no_pictures):
    named = {**whole[0], "task": {**whole[0]["task"], "name": "<b>bold</b>"}}
    html = write_report(named, whole[1], tmp_path).read_text(encoding="utf-8")
    assert "<b>bold" not in html
    assert "&lt;b&gt;bold" in html
    assert "<Biobank" not in html + report.read_text(encoding="utf-8")
    assert "ILSbio &lt;Biobank &amp; Co&gt;" in html


def test_the_same_results_give_the_same_picture(whole):
    first, second = (svg_uri(overview.local_sites(whole[0])) for _ in range(2))
    assert first == second


OPTIONAL = {
    "differences": ["differences"], "subsets": ["subsets"], "bytes": ["traffic"], "seconds": [], "curves": ["curves"],
    "external": ["external"], "site_by_class": ["site-by-class"], "site_by_modality": ["site-by-modality"],
}  # fmt: skip


def test_a_missing_part_leaves_its_section_out(whole, tmp_path, no_pictures):
    everything = Page(write_report(*whole, tmp_path)).ids
    for missing, sections in OPTIONAL.items():
        results = {name: part for name, part in whole[0].items() if name != missing}
        found = Page(write_report(results, whole[1], tmp_path)).ids
        assert found == [name for name in everything if name not in sections], missing


def test_no_optional_part_at_all(whole, tmp_path):
    results = {name: part for name, part in whole[0].items() if name not in OPTIONAL}
    left_out = {section for sections in OPTIONAL.values() for section in sections}
    assert Page(write_report(results, whole[1], tmp_path)).ids == [name for name in SECTIONS if name not in left_out]


def without_numbers(part: object) -> object:
    """The same results, every measured float None."""
    if isinstance(part, dict):
        return {key: without_numbers(one) for key, one in part.items()}
    return None if isinstance(part, float) else part


def test_none_is_shown_as_not_available(whole, tmp_path):
    results = whole[0]
    blank = {
        **results,
        **{name: without_numbers(results[name]) for name in ("arms", "differences", "subsets", "external")},
    }
    page = Page(write_report(blank, whole[1], tmp_path))
    assert "n/a" in page.text
    assert "None" not in page.text
    assert "nan" not in page.text.split()


def test_one_site_and_two_classes(tmp_path):
    results, predictions = made_up_results(MadeUpStudy(90, PAM50[:2], n_sites=1))
    page = Page(write_report(results, predictions, tmp_path))
    assert page.ids == [name for name in SECTIONS if name != "external"]
    assert "One site trained" in page.text


def test_a_class_without_cases_is_not_available(tmp_path):
    study = MadeUpStudy(80, n_sites=2)
    study.labels[study.labels == 3] = 0
    text = Page(write_report(*made_up_results(study), tmp_path)).text
    assert "n/a" in text
    assert "3 of 4 classes" in text


def test_sites_held_out_of_folds_are_explained(whole):
    local = whole[0]["arms"]["local"]
    short = {"Mayo": {"fused_complete": {"n": local["fused_complete"]["n"] - 9}}}
    assert not build.partly_scored(whole[0])
    assert build.partly_scored({**whole[0], "arms": {**whole[0]["arms"], "local": {**local, "sites": short}}})
    assert "left out of training" in words.summary({**whole[0], "protocol": {"cv": "sites"}})


def test_an_encoder_that_saw_the_cohort_is_named_among_the_limits(whole):
    protocol = {**whole[0]["protocol"], "encoders": {"wsi_image": "phikon: trained on slides of TCGA"}}
    assert "wsi_image is encoded by phikon: trained on slides of TCGA." in words.limits(
        {**whole[0], "protocol": protocol}
    )
    assert "is encoded by" not in words.limits(whole[0])


def test_only_the_federated_arm(whole, tmp_path):
    results = {**whole[0], "arms": {"federated": whole[0]["arms"]["federated"]}, "differences": {}}
    predictions = whole[1][whole[1]["arm"] == "federated"]
    assert "roc" in Page(write_report(results, predictions, tmp_path)).ids


def estimate(value: float, low: float, high: float) -> dict:
    return {"value": value, "low": low, "high": high}


@pytest.mark.parametrize(
    ("gap", "says"),
    [
        (estimate(-0.001, -0.006, 0.004), "cannot tell from no difference"),
        (estimate(-0.02, -0.03, -0.01), "pooling is measurably better"),
        (estimate(0.02, 0.01, 0.03), "training together is measurably better"),
    ],
)
def test_the_summary_says_what_the_interval_allows(whole, gap, says):
    differences = {"federated-centralised": {"fused_complete": {"macro_auroc": gap}}}
    assert says in words.summary({**whole[0], "differences": differences})


def test_the_summary_admits_that_joining_was_not_worth_it(whole):
    gap = {"fused_complete": {"macro_auroc": estimate(-0.05, -0.08, -0.02)}}
    assert "better alone" in words.summary({**whole[0], "differences": {"federated-local": gap}})


def test_the_calibration_section_takes_the_place_of_the_plain_reliability_diagram(whole, tmp_path):
    one = {"ece": 0.1, "log_loss": 0.5, "bins": [{"confidence": 0.7, "right": 0.8, "n": 10}]}
    found = {"temperatures": [1.0], "sets": {"fused": {"n": 10, "before": one, "after": one}}}
    page = Page(write_report({**whole[0], "calibration": {"federated": found}}, whole[1], tmp_path))
    assert "calibration" in page.ids
    assert "reliability" not in page.ids


def test_external_cases_that_no_arm_could_score_are_told_in_the_report(whole, tmp_path, no_pictures):
    left_out = {"no_modality": {"external_X": 40, "external_Y": 24}, "no_class": {"external_X": 3}}
    text = Page(write_report({**whole[0], "external_left_out": left_out}, whole[1], tmp_path)).text
    assert "64 external cases hold none of the modalities" in text
    assert "40 of external_X, 24 of external_Y" in text
    assert "3 external cases have no label of the task's classes" in text


def test_an_external_cohort_is_told_by_class_by_site_and_by_what_it_lacks(whole, report, tmp_path, no_pictures):
    results = whole[0]
    scored = results["external"]["federated"]["fused_complete"]
    blind = {**scored, "recall": {**scored["recall"], "Her2": {"value": 0.0, "n": 9}}}
    told = {
        **results,
        "external": {**results["external"], "federated": {**results["external"]["federated"], "fused_complete": blind}},
        "external_lacks": {
            "cnv": {"held": True, "features": ["17q", "8p"], "of": 39},
            "hif": {"held": False, "features": [], "of": 0},
        },
    }
    text = Page(write_report(told, whole[1], tmp_path)).text
    assert "The federated model called no case Her2 (9 cases)." in text
    assert (
        "none of the external cases has 2 of the 39 features that training cases have; they are imputed: 17q, 8p"
        in text
    )
    assert "hif: no external site holds it." in text
    by_site = results["external_by_site"]
    assert set(by_site) == {"University of Pittsburgh", "MSKCC"}
    both = [by_site[site]["federated"]["fused_complete"] for site in by_site]
    assert sum(one["n"] for one in both) == results["external"]["federated"]["fused_complete"]["n"]
    section = Page(report).text.partition("By external site (fused, complete cases)")[2]
    for one in both:
        assert f"{one['n']} {one['macro_auroc']['value']:.3f}" in section
    assert len(re.findall("Recall by class", Page(report).text)) == 3  # contents, section, and the external one


def test_sites_are_called_by_code_and_name_and_the_numbers_stay(whole, tmp_path, no_pictures):
    calibrated = {"shared": {"coverage": 0.9, "size": 1.0}, "own": {"coverage": 0.9, "size": 1.0}, "n": 60}
    groups = {"overall": calibrated, "by_class": {"LumA": calibrated}, "by_site": {"Duke": calibrated}}
    conformal = {"federated": {"target": 0.9, **groups, "sizes": [0, 60], "right_alone": 0.9}}
    told = {
        **whole[0],
        "conformal": conformal,
        "site_names": {"Mayo": "Rochester", "Duke": "Durham", "gone": "Nowhere"},
    }
    text = Page(write_report(told, whole[1], tmp_path)).text
    assert text.count("Mayo, Rochester") >= 3  # by class, by modality, by bytes
    assert text.count("Duke, Durham") >= 4
    assert "Mayo " not in text.replace("Mayo, Rochester", "")
    assert "Nowhere" not in text
    assert with_site_names(whole[0]) is whole[0]


def test_date_and_command_line_stand_on_top(whole, tmp_path, no_pictures):
    made = {"date": "2026-11-28 18:02 UTC", "command": "tessera-simulate tcga --data 'a b'"}
    text = Page(write_report({**whole[0], "made": made}, whole[1], tmp_path)).text
    assert "2026-11-28 18:02 UTC \N{MIDDLE DOT} tessera-simulate tcga --data 'a b' In plain words" in text
    study = Page(write_study({"made": made}, "Title", "Lead.", tmp_path)).text
    assert "tessera-simulate tcga" in study


@pytest.mark.parametrize(
    ("verdict", "says"),
    [
        ("equivalent", "equivalent, neither is better by 0.02"),
        ("not shown", "equivalence is not shown, training together may be worse by 0.02"),
    ],
)
def test_the_verdict_of_the_equivalence_test_stands_in_the_summary_and_beside_the_differences(
    whole, tmp_path, no_pictures, verdict, says
):
    tested = {"margin": 0.02, "low": -0.011, "high": 0.012, "p": 0.0004, "verdict": verdict}
    gap = {**whole[0]["differences"]["federated-centralised"]["fused_complete"], "equivalence": tested}
    results = {**whole[0], "differences": {"federated-centralised": {"fused_complete": gap}}}
    text = Page(write_report(results, whole[1], tmp_path)).text
    assert f"with the margin of the plan, 0.02: {says} (90 % interval {MINUS}0.011 to +0.012, p < 0.001)" in text
    assert f"Fused, complete cases ±0.02 {MINUS}0.011 to +0.012 < 0.001 {verdict}" in text
