"""The report of studies that ran on site folders: its numbers, what it says without any, and what it escapes."""

import json
from dataclasses import asdict, replace

import pytest
from typer.testing import CliRunner

from modalities.core.settings.federation import federation_from
from server.cli import app
from server.report.facts import facts_in, facts_of_study
from server.report.measured import measured_in, reasons_in
from server.report.words import limits, still_falling, who_does_not_gain
from server.report.write import write_report
from server.state.release import write_release
from server.state.study import StudyState
from strategies.report.words import interval, number, signed
from tests.evaluated import change, evaluated, only_evaluates
from tests.server.report.made import study_folder
from tests.strategies.report.pages import Page
from tests.support import run_small, small_federation, write_sites

ROUNDS = {f"modalities__{name}__federated__min_holders": 3 for name in ("cnv", "hif")}
FEDERATION = small_federation(**ROUNDS, task={"names": {"Her2": "HER2-enriched"}})
METRICS = ("balanced_accuracy", "accuracy", "brier", "log_loss", "ece")
HOLDINGS = (("cnv", "hif"), ("cnv", "hif"), ("cnv",), ("cnv", "hif"), ("cnv", "hif"))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Four sites that train, of which the third lets nothing out, and one that only evaluates."""
    root = write_sites(tmp_path_factory.mktemp("sites"), FEDERATION, HOLDINGS, (61, 43, 37, 53, 40))
    for folder in sorted(root.iterdir()):
        change(folder, "evaluation: sums", f"evaluation: {'sums' if folder.name == 'site_3' else 'full'}")
    only_evaluates(root / "site_5")
    study, results, _ = evaluated(root, FEDERATION)
    return study_folder(tmp_path_factory.mktemp("study") / "study", FEDERATION, study), study, results


@pytest.fixture(scope="module")
def report(made):
    done = run("report", made[0])
    assert done.exit_code == 0, done.output
    assert f"report: {made[0]}/report/report.html" in done.output
    return made[0] / "report"


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "300"})


def rendered(facts, out):
    return Page(write_report(facts, out)[0])


def test_the_numbers_are_those_of_the_evaluation(made, report):
    plain, text = json.loads((report / "results.json").read_text("utf-8")), Page(report / "report.html").text
    assert plain["evaluation"] == json.loads(json.dumps(made[2].to_plain()))
    assert plain["study"]["sites"] == made[1].cohorts
    for name in ("fused", "cnv"):
        own = asdict(made[2].test["federated"][name])
        for metric in ("macro_auroc", "auroc_within_sites", *METRICS):
            assert f"{number(own[metric]['value'])} ({interval(own[metric])})" in text, metric
    for own in made[2].test["federated"]["fused"].recall.values():
        assert f"{number(own.value)} ({interval(asdict(own))})" in text
    gain = made[2].gain["test"]["fused"]
    assert f"{signed(gain.macro_auroc.value)} ({interval(asdict(gain.macro_auroc), signed)})" in text
    assert f"{gain.sites_that_gain} of {gain.sites}" in text


def test_every_section_is_there_and_nothing_is_fetched(report):
    page = Page(report / "report.html")
    assert page.ids == [
        *("summary", "key-figures", "performance", "classes", "gain", "by-site", "confusion", "reliability"),
        *("out-of-fold", "not-available", "curves", "cases", "notes", "protocol"),
    ]
    assert "4 sites trained one shared model" in page.text
    assert "1 site that trained on nothing scored it too" in page.text
    assert "site_5, external" in page.text
    assert "Not in this table: 1 site with evaluation: sums." in page.text
    assert "Her2 (HER2-enriched)" in page.text
    assert len(page.images) == 8
    assert all(image["src"].startswith("data:image/svg+xml;base64,") and image["alt"] for image in page.images)
    assert {"script", "link", "iframe"} & page.tags == set()
    assert "://" not in "".join(page.words)


def test_who_was_missing_from_which_sums_stands_in_the_page(made, tmp_path):
    page = rendered(replace(facts_in(made[0]), missing={"site_2": {"cnv": [2, 3], "calibration": [0]}}), tmp_path)
    assert "missing" in page.ids
    assert "site_2 cnv, rounds 2 to 3; calibration" in " ".join(page.text.split())


def test_the_same_study_gives_the_same_page(made, report, tmp_path):
    page, results = write_report(facts_in(made[0]), tmp_path)
    assert page.read_bytes() == (report / "report.html").read_bytes()
    assert results.read_bytes() == (report / "results.json").read_bytes()


def test_a_site_that_loses_is_named_and_the_others_counted(made):
    told = {
        f"site_{n}": {"results": {"gain": {"fused": {"macro_auroc": {"value": value}}}}}
        for n, value in enumerate((0.02, -0.013, None), start=1)
    }
    evaluation = {"sites": told}
    assert who_does_not_gain(evaluation, "fused") == (
        "Of the 2 sites that tell their own difference, site_2 (\N{MINUS SIGN}0.013) does not gain."
    )
    assert who_does_not_gain({"sites": {}}, "fused") == ""


def test_without_test_cases_the_page_leads_with_those_out_of_fold(made, tmp_path):
    facts = facts_in(made[0])
    without = {**facts.evaluation, "federated": {}, "local": {}, "prior": {}}
    page = rendered(replace(facts, evaluation=without), tmp_path)
    n = made[2].out_of_fold["federated"]["fused"].n
    assert f"measured on {n} training cases, out of fold" in page.text
    assert "No site kept test cases" in page.text
    assert "out-of-fold" not in page.ids, "they stand on top already"


def blank(part):
    """The same, every estimate without a value."""
    if isinstance(part, dict):
        gone = {"value": None, "low": None, "high": None, "bound": None, "reason": "too few cases"}
        return gone if "reason" in part else {key: blank(own) for key, own in part.items()}
    return part


def test_what_cannot_be_said_is_na_with_its_reason(made, tmp_path):
    facts = facts_in(made[0])
    gains = {**facts.evaluation["gain"]["test"]["fused"], "verdict": "", "equivalence": None}
    evaluation = blank({**facts.evaluation, "gain": {"test": {"fused": gains}, "out_of_fold": {}}})
    assert reasons_in(evaluation)[0][1] == "too few cases"
    page = rendered(replace(facts, evaluation=evaluation), tmp_path)
    assert "cannot be said: there are too few cases" in page.text
    assert "too few cases" in page.text.split("What is n/a, and why")[-1]
    assert "None" not in page.text
    assert "nan" not in page.text.split()


def test_a_name_from_elsewhere_is_never_markup(made, tmp_path):
    facts = facts_in(made[0])
    evil, own = "<b>clinic</b>", facts.evaluation["sites"]["site_1"]
    evaluation = {**facts.evaluation, "sites": {evil: own}}
    note = {"level": "warning", "site": evil, "part": "*", "text": "<i>late</i>"}
    page, _ = write_report(replace(facts, evaluation=evaluation, sites={evil: {"cnv": 3}}, notes=[note]), tmp_path)
    text = page.read_text("utf-8")
    assert "<b>" not in text
    assert "<i>" not in text
    assert Page(page).text.count(evil) >= 3


def reason_of(tmp_path, federation, study):
    folder = study_folder(tmp_path / "study", federation, study)
    done = run("report", folder)
    assert done.exit_code == 0, done.output
    page = Page(folder / "report" / "report.html")
    assert json.loads((folder / "report" / "results.json").read_text("utf-8"))["evaluation"] == {}
    assert "key-figures" not in page.ids
    assert {"curves", "cases", "protocol"} <= set(page.ids)
    return page.text


def test_a_study_without_numbers_says_why_and_shows_the_rest(tmp_path, whole):
    text = reason_of(tmp_path, small_federation(), whole)
    assert "No accuracy can be shown: no site scored the finished model" in text


def test_a_study_that_nobody_shares_says_what_would_be_needed(tmp_path, root):
    federation = small_federation()
    study = run_small(root, federation, evaluates=True, timeout=30.0)
    text = reason_of(tmp_path, federation, study)
    assert "No accuracy can be shown: no site lets a number out: without masks only a site with" in text


def test_a_study_that_keeps_an_epsilon_says_that_this_is_why(tmp_path):
    table = {"kind": "table", "preset": "private", "features": ["a", "b"], "ranges": {"*": [-2.0, 2.0]}}
    privacy = {"epsilon": 8.0, "masking": "simulated", "cases": 19}
    federation = federation_from({"fusion": {"preset": "private"}, "privacy": privacy, "modalities": {"hif": table}})
    facts = facts_of_study(StudyState(federation, finished=True), tmp_path)
    assert facts.why_not.startswith("this study keeps an epsilon of 8, which does not account for an evaluation")
    assert facts.why_not in rendered(facts, tmp_path / "out").text


def test_a_study_under_way_says_so(tmp_path, whole):
    unfinished = StudyState(small_federation(), progress=whole.progress, cohorts=whole.cohorts)
    text = reason_of(tmp_path, small_federation(), unfinished)
    assert "No accuracy can be shown: this study is not finished: it is in phase statistics" in text


def test_a_release_alone_is_reported_elsewhere_than_inside_it(made, tmp_path):
    release = write_release(tmp_path / "release", made[1])
    refused = run("report", release)
    assert refused.exit_code == 1
    assert "say where with --out" in refused.output
    assert run("report", release, "--out", tmp_path / "out").exit_code == 0
    plain = json.loads((tmp_path / "out" / "results.json").read_text("utf-8"))
    assert plain["evaluation"] == json.loads(json.dumps(made[2].to_plain()))
    page = Page(tmp_path / "out" / "report.html")
    assert "4 sites trained" in page.text
    assert "cases" not in page.ids


def test_a_folder_without_a_study_is_refused(tmp_path):
    done = run("report", tmp_path)
    assert done.exit_code == 1
    assert "nothing to report" in done.output


def test_a_curve_that_still_falls_is_named(made):
    facts = facts_in(made[0])
    falling = replace(facts, curves={"cnv": [1.0, 0.9, 0.8], "hif": [1.0, 0.5, 0.5, 0.5]})
    assert [sentence.partition(":")[0] for sentence in still_falling(falling)] == ["cnv"]


def test_what_slides_are_encoded_by_and_what_that_was_trained_on_stands_among_the_limits(made):
    facts, measured = facts_in(made[0]), measured_in(made[2].to_plain())
    assert "is encoded by" not in limits(facts, measured)
    slides = small_federation(modalities__tiles={"kind": "wsi_image", "slides": {"backbone": "phikon"}})
    said = limits(replace(facts, federation=slides), measured)
    assert (
        "tiles is encoded by phikon: trained on 40 million tiles of 6,000 slides of TCGA; slides of TCGA were" in said
    )


def test_the_lead_is_fused_where_there_are_cases(made):
    assert measured_in(made[2].to_plain()).sets() == ["fused", "fused_complete", "cnv", "hif"]
