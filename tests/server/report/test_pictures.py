"""Which lines stand in the picture of the sites' own numbers."""

import pytest

from server.report.pictures import by_site


def estimate(value):
    return {"value": value, "low": value - 0.05, "high": value + 0.05}


def evaluation(prediction_low):
    def site(value, is_external=False):
        return {"is_external": is_external, "results": {"federated": {"fused": {"macro_auroc": estimate(value)}}}}

    meta = {"macro_auroc": estimate(0.84), "prediction_low": prediction_low, "prediction_high": 0.93}
    untold = {"is_external": False, "results": {}}
    return {
        "sites": {"north": site(0.81), "south": untold, "west": site(0.87, is_external=True)},
        "meta": {"federated": {"fused": meta}},
    }


def lines(figure):
    """Of the first band: its names, and the intervals drawn."""
    (axes,) = figure.axes
    names = [text.get_text().strip() for text in axes.get_yticklabels()]
    drawn = [tuple(line.get_xdata()) for line in axes.lines if len(line.get_xdata()) == 2]
    return names, drawn[:-1]  # without the one of chance


def test_sites_that_tell_stand_above_a_hospital_on_average_and_a_new_one():
    names, drawn = lines(by_site(evaluation(0.7), "fused", "federated"))
    assert names[1:] == ["north", "west, external", "A hospital on average", "A new hospital"]
    expected = [(0.76, 0.86), (0.82, 0.92), (0.79, 0.89), (0.7, 0.93)]
    assert [pytest.approx(ends) for ends in drawn] == expected


def test_of_too_few_sites_for_a_prediction_there_is_no_new_hospital():
    names, _ = lines(by_site(evaluation(None), "fused", "federated"))
    assert names[1:] == ["north", "west, external", "A hospital on average"]
