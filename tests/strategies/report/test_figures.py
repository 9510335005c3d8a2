"""What stands where in the figures of a report: intervals, heights, and lines between classes."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from strategies.report import figures
from strategies.report.forest import Band, Line, forest
from strategies.report.look import ARM_LOOKS, draw
from strategies.report.panels import matrix_panel, roc_panel

LOOK = ARM_LOOKS["federated"]
KNOWN, ALONE = {"value": 0.8, "low": 0.7, "high": 0.9}, {"value": 0.6, "low": None, "high": None}


def bands(*sizes):
    return [Band(f"band {number}", [Line(LOOK, KNOWN)] * size) for number, size in enumerate(sizes)]


def test_a_value_is_a_dot_in_its_interval_and_alone_where_that_is_unknown():
    """Chance, at .5, is dashed."""
    figure = forest([Band("cnv", [Line(LOOK, KNOWN), Line(LOOK, ALONE)])], "AUROC")
    drawn = [(tuple(map(float, line.get_xdata())), line.get_marker()) for line in figure.axes[0].lines]
    assert drawn == [((0.7, 0.9), "None"), ((0.8,), "o"), ((0.6,), "o"), ((0.5, 0.5), "None")]
    assert to_hex(figure.axes[0].lines[0].get_color()) == LOOK.colour


@pytest.mark.parametrize(
    ("sizes", "title", "inches"),
    [
        ((1,), "", 0.75 + 0.225 * 2.35),
        ((3, 2), "", 0.75 + 0.225 * 7.7),
        ((3, 2), "AUROC by site", 1.15 + 0.225 * 7.7),
    ],
)
def test_a_figure_is_as_high_as_its_lines_headings_gaps_and_title_take(sizes, title, inches):
    assert forest(bands(*sizes), "AUROC", title).get_size_inches()[1] == pytest.approx(inches)


def test_lines_stand_from_top_to_bottom_with_half_a_line_and_half_a_gap_above_and_below():
    """Heading 0, line 1; with the gap the next heading would stand at 2.35."""
    assert forest(bands(1), "AUROC").axes[0].get_ylim() == pytest.approx((2.35 - 0.675, -0.675))


def test_nothing_to_show_is_no_figure():
    assert forest([], "AUROC") is None


def test_a_white_line_lies_between_every_two_classes_of_a_matrix_and_each_cell_has_its_share_and_its_count():
    counts = np.array([[6, 2, 0], [1, 3, 0], [0, 0, 5]])
    figure = draw(3, 3, lambda own: matrix_panel(own.add_subplot(), counts, ["LumA", "LumB", "Basal"]))
    (axes,) = figure.axes
    for axis in (axes.xaxis, axes.yaxis):
        assert axis.get_minorticklocs().tolist() == [0.5, 1.5]
        assert {to_hex(line.get_color()) for line in axis.get_minor_ticks()[0].get_children()[2:3]} == {"#ffffff"}
    shown = [text.get_text() for text in axes.texts]
    assert shown[:4] == ["75 %", "6", "25 %", "2"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["LumA (8)", "LumB (4)", "Basal (5)"]


BINS = [{"confidence": 0.45, "right": 0.4, "n": 10}, {"confidence": 0.85, "right": 0.9, "n": 30}]


@pytest.mark.parametrize("n_models", [1, 2])
def test_each_model_has_its_reliability_above_its_cases_and_the_first_names_both_axes(n_models):
    figure = figures.reliability([(LOOK, 0.0625, BINS)] * n_models)
    upper, lower = figure.axes[:n_models], figure.axes[n_models:]
    assert [axes.get_ylabel() for axes in upper] == ["Share that is right", ""][:n_models]
    assert [axes.get_ylabel() for axes in lower] == ["Cases", ""][:n_models]
    assert {axes.get_title(loc="left") for axes in upper} == {"Federated: ECE 0.062"}
    assert all(above.get_shared_x_axes().joined(above, below) for above, below in zip(upper, lower, strict=True))


def test_a_recall_figure_is_as_high_as_its_classes_take():
    recall = dict.fromkeys(("LumA", "LumB", "Basal"), KNOWN)
    figure = figures.recall({"LumA": 8, "LumB": 4, "Basal": 5}, [(LOOK, recall)])
    assert figure.get_size_inches()[1] == pytest.approx(1.1 + 3 * 0.72)
    assert figures.recall({"LumA": 8}, []) is None


def test_the_auroc_of_a_curve_stands_inside_its_panel():
    """Three of the four pairs are in order."""
    positive, probability = np.array([True, True, False, False]), np.array([0.9, 0.3, 0.5, 0.1])
    figure = draw(3, 3, lambda own: roc_panel(own.add_subplot(), [("Federated", LOOK, positive, probability)]))
    (text,) = figure.axes[0].texts
    assert text.get_text() == "Federated 0.750"
    inside, panel = text.get_window_extent(), figure.axes[0].get_window_extent()
    assert panel.x0 < inside.x0 < inside.x1 < panel.x1
    assert panel.y0 < inside.y0 < inside.y1 < panel.y1


@pytest.mark.parametrize("everybody", [True, False])
def test_a_class_that_every_case_or_none_has_gets_no_curve_and_no_number(everybody):
    positive, probability = np.full(4, everybody), np.array([0.9, 0.3, 0.5, 0.1])
    figure = draw(3, 3, lambda own: roc_panel(own.add_subplot(), [("Federated", LOOK, positive, probability)]))
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == ["Federated n/a"]
    assert len(axes.lines) == 1  # chance
