"""Which sums lack whom, and how it is said."""

from server.state.missing import Missing, said


def test_each_site_is_said_with_what_it_is_missing_from():
    missing = Missing()
    for number in (2, 3, 4, 7, 3):
        missing.add("cnv", number, ["site_2"])
    missing.add("cnv", 4, ["site_2", "site_1"])
    missing.add("calibration", None, ["site_2"])
    missing.add("hif", 1, [])
    assert said(missing.rounds) == {"site_1": "cnv, round 4", "site_2": "cnv, rounds 2 to 4, 7; calibration"}


def test_sums_are_counted_without_a_name():
    missing = Missing()
    missing.add("fusion", 2, ["site_1", "site_2"])
    missing.add("fusion", 3, ["site_2"])
    missing.add("calibration", None, ["site_1"])
    assert missing.sums() == {"calibration": 1, "fusion": 2}
