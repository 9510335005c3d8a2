"""The types of results.json: what is written fits them, and docs/results.schema.json is made of them."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from simulations.scores.compare import compare
from simulations.scores.results import RESULTS, schema
from tests.simulations.report.made_up import PROTOCOL, TASK, MadeUpStudy

ROOT = Path(__file__).parents[3]


def test_the_schema_in_the_docs_is_that_of_the_types():
    kept = (ROOT / "docs" / "results.schema.json").read_text(encoding="utf-8")
    assert kept == schema(), "python -m simulations.scores.results > docs/results.schema.json"


def test_what_a_comparison_gives_is_what_the_types_say_and_nothing_else():
    study = MadeUpStudy(90)
    extra = study.extra() | {"seconds": {"federated": 3.5}}
    protocol = {name: value for name, value in PROTOCOL.items() if name not in ("clinical", "config")}
    results = compare(study.predictions(), study.holds, {**TASK, "classes": study.classes}, protocol, extra, 5)
    assert RESULTS.validate_python(results) == results
    with pytest.raises(ValidationError, match="surprise"):
        RESULTS.validate_python({**results, "surprise": 1})
    arms = {**results["arms"], "federated": {"fused": {"n": "many"}}}
    with pytest.raises(ValidationError, match=r"arms\.federated\.fused"):
        RESULTS.validate_python({**results, "arms": arms})
