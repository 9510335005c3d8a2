"""The frame that all reports share."""

import json
import subprocess
import sys

import pytest
from scipy.stats import binomtest

from strategies.report.forest import Band, Line, forest
from strategies.report.look import ARM_LOOKS, svg_uri
from strategies.report.page import page_of, sections_text
from strategies.report.panels import wilson
from strategies.report.section import Section, Table
from tests.strategies.report.pages import Page


@pytest.fixture
def report(tmp_path):
    table = Table(("site", "AUROC"), (("<b>north</b>", "0.913"),))
    body = sections_text([Section("made-up", "Who's <best>?", "Read <it>.", (), (table,))])
    path = tmp_path / "report.html"
    text = page_of(body, title="A & <B>", lead="Two <sites>.", footer="<end>", made={"date": "<today>"})
    path.write_text(text, encoding="utf-8")
    return path


def test_a_name_is_never_markup_and_escaped_once(report):
    page, text = Page(report), report.read_text(encoding="utf-8")
    for shown in ("A & <B>", "Two <sites>.", "<today>", "<end>", "<b>north</b>", "Read <it>."):
        assert shown in page.text
    assert '<a href="#made-up">Who&#39;s &lt;best&gt;?</a>' in text
    assert page.ids == ["made-up"]
    assert "<b>" not in text
    assert "&amp;lt;" not in text


def test_no_request_leaves_a_report_and_no_script_runs(report):
    text = report.read_text(encoding="utf-8")
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert f'<meta http-equiv="Content-Security-Policy" content="{policy}">' in text
    assert 'system-ui, "Segoe UI"' in text, "the style sheet is not escaped"


def test_the_interval_of_a_proportion_is_wilsons():
    expected = binomtest(17, 23).proportion_ci(method="wilson")
    assert wilson(17 / 23, 23) == pytest.approx((expected.low, expected.high), abs=1e-7)


def test_a_forest_of_differences_lies_around_zero_and_prints_signs():
    def line(value, low, high, name):
        return Line(ARM_LOOKS["federated"], {"value": value, "low": low, "high": high}, name)

    figure = forest(
        [Band("gain", [line(0.02, -0.01, 0.05, "north"), line(-0.3, None, None, "south")])],
        "gain",
        "",
        differences=True,
    )
    assert figure is not None
    axes = figure.axes[0]
    assert axes.get_xlim() == pytest.approx((-0.33, 0.33))
    shown = [text.get_text() for text in axes.texts]
    assert shown == ["+0.020", "\N{MINUS SIGN}0.010 to +0.050", "\N{MINUS SIGN}0.300", ""]
    assert [label.get_text().strip() for label in axes.get_yticklabels()] == ["gain", "north", "south"]
    assert svg_uri(figure).startswith("data:image/svg+xml;base64,")


def test_a_value_and_its_interval_stay_apart_however_long_a_name_is():
    estimate = {"value": -0.123, "low": -0.234, "high": 0.345}
    line = Line(ARM_LOOKS["federated"], estimate, "The hospital of a very long name, " * 2, is_leading=True)
    figure = forest([Band("gain", [line])], "gain", differences=True)
    assert figure is not None
    value, ends = (text.get_window_extent() for text in figure.axes[0].texts)
    assert value.x1 < ends.x0
    assert ends.x1 <= figure.bbox.x1


def test_nothing_to_draw_is_no_forest():
    assert forest([], "AUROC") is None


@pytest.mark.parametrize("app", ["client.app", "server.app"])
def test_what_runs_in_a_study_begins_without_drawing_and_fitting(app):
    """Each takes tens of MB and tenths of a second in every process; what needs it imports it then."""
    heavy = ("matplotlib", "scipy.optimize", "scipy.stats", "sklearn")
    code = f"import json, sys, {app}; print(json.dumps([name for name in {heavy} if name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
