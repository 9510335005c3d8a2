"""The model card: under the signature, its numbers those of the evaluation, and no site or case in it."""

import hashlib
import json
from dataclasses import replace

import pytest
import yaml

from modalities.core.release.release import CARD, open_release
from modalities.slides.backbones.table import origin_of
from server.state.card import card_of, encoders_of, header_of
from server.state.missing import Missing
from server.state.release import write_release
from server.state.tripod import CLUSTER, TRIPOD_AI, YOURS, answered
from strategies.report.words import interval, number
from tests.evaluated import evaluated, write_evaluated
from tests.support import small_federation

FEDERATION = small_federation(privacy__masking="required")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = write_evaluated(tmp_path_factory.mktemp("sites"), FEDERATION)
    study, results, _ = evaluated(root, FEDERATION)
    return write_release(tmp_path_factory.mktemp("release") / "release", study), study, results.to_plain()


def card_in(release):
    _, header, text = (release / CARD).read_text("utf-8").split("---\n", 2)
    return yaml.safe_load(header), text


def test_the_card_is_a_file_of_the_release_and_a_changed_one_is_refused(made, tmp_path):
    release, study, _ = made
    card = (release / CARD).read_bytes()
    assert open_release(release).model["files"][CARD] == hashlib.sha256(card).hexdigest()
    copy = write_release(tmp_path / "release", study)
    assert (copy / CARD).read_bytes() == card
    (copy / CARD).write_bytes(card.replace(b"For research", b"For everyone"))
    with pytest.raises(ValueError, match=r"missing or changed since the release: README\.md$"):
        open_release(copy)


def test_a_release_from_before_there_was_a_card_is_read(made, tmp_path):
    release = write_release(tmp_path / "release", made[1])
    model = json.loads((release / "model.json").read_text("utf-8"))
    del model["files"][CARD]
    (release / "model.json").write_text(json.dumps(model), "utf-8")
    (release / CARD).unlink()
    assert open_release(release).modalities == ["cnv", "hif"]


def test_the_header_holds_the_numbers_of_the_evaluation(made):
    header, text = card_in(made[0])
    scored = made[2]["federated"]["fused"]
    metrics = {own["type"]: own["value"] for own in header["model-index"][0]["results"][0]["metrics"]}
    assert metrics == {
        "roc_auc": round(scored["macro_auroc"]["value"], 4),
        "brier_score": round(scored["brier"]["value"], 4),
        **{name: round(scored[name]["value"], 4) for name in ("balanced_accuracy", "accuracy", "log_loss", "ece")},
    }
    assert header["metrics"] == list(metrics)
    assert header["license"] == "other"
    for name in ("macro_auroc", "brier", "ece"):
        assert f"{number(scored[name]['value'])} ({interval(scored[name])})" in text
    for name, own in scored["auroc"].items():
        shown = "n/a" if own["value"] is None else f"{number(own['value'])} ({interval(own)})"
        assert f"| {name} | {scored['n_by_class'][name]} | {shown}" in text


def test_the_card_names_neither_site_nor_case_and_counts_both(made):
    text = (made[0] / CARD).read_text("utf-8")
    assert "site_" not in text
    assert "case-" not in text
    assert "4 sites together" in text
    n_cnv, n_hif = (sum(own.get(name, 0) for own in made[1].cohorts.values()) for name in ("cnv", "hif"))
    assert f"| cnv | cnv | {n_cnv} | 4 | 2 |" in text
    assert f"| hif | table | {n_hif} | 3 | 2 |" in text  # site 3 has none


def test_sums_that_lack_a_site_are_counted_and_nobody_is_named(made, tmp_path):
    assert "lack the answer of a site" not in card_in(made[0])[1]
    study = replace(made[1], missing=Missing({"site_2": {"cnv": [2, 5], "fusion": [3]}, "site_3": {"cnv": [5]}}))
    release = write_release(tmp_path / "release", study)
    assert open_release(release).model["incomplete_sums"] == {"cnv": 2, "fusion": 1}
    assert "lack the answer of a site that the study knew: cnv 2, fusion 1." in card_in(release)[1]


def test_without_an_evaluation_there_is_no_number_and_it_says_so(made):
    study, model = made[1], dict(open_release(made[0]).model)
    del model["evaluation"]
    card = card_of(study.federation, model, [])
    assert "do not take its probabilities at their word" in card
    assert "an unknown number of" in card
    assert "model-index" not in header_of(study.federation, {})


def test_a_class_is_neither_markup_nor_a_column(made):
    task = replace(FEDERATION.task, name="<b>x</b>", classes=["a|b", "<i>", "c", "d"], names={})
    model = {
        **open_release(made[0]).model,
        "class_counts": {"a|b": 3.0, "<i>": 4.0, "c": 5.0, "d": 6.0},
        "evaluation": {},
    }
    card = card_of(replace(FEDERATION, task=task), model, [])
    assert "| a\\|b |  | 3 |" in card
    assert "| &lt;i&gt; |  | 4 |" in card
    body = card.split("---\n", 2)[2]
    assert "<b>" not in body
    assert "<i>" not in body


def test_the_checklist_has_every_item_and_marks_what_no_fact_answers(made):
    text = (made[0] / CARD).read_text("utf-8")
    assert len(TRIPOD_AI) == 27
    for number_of, item in enumerate(("Title", "Abstract"), start=1):
        assert f"| {number_of} | {item} | {YOURS} |" in text
    assert "| 27 | Use in practice" in text
    assert text.count("\n| ") >= 27 + len(CLUSTER)
    with pytest.raises(ValueError, match="no such items: Titel"):
        answered(TRIPOD_AI, {"Titel": "x"})


def test_what_slides_are_encoded_by_is_said_with_what_it_was_trained_on():
    federation = small_federation(modalities__tiles={"kind": "wsi_image", "slides": {"backbone": "uni"}})
    said = encoders_of(federation, ["cnv", "tiles"])
    assert list(said) == ["tiles"]
    assert said["tiles"] == f"uni: {origin_of('uni')}"
    assert "not on TCGA" in said["tiles"]
    assert "not known to this version" in origin_of("resnet999")
