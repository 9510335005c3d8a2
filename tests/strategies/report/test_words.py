"""Numbers as a reader of a report sees them."""

from strategies.report import words


def test_numbers_in_words():
    assert [words.signed(x) for x in (0.0123, -0.003, -0.0001, None)] == [
        "+0.012",
        f"{words.MINUS}0.003",
        "0.000",
        "n/a",
    ]
    assert [words.bytes_text(x) for x in (0, 812, 3_400, 12_100_000, 999_999, None)] == [
        "0", "812 B", "3.4 kB", "12.1 MB", "1.0 MB", "n/a",
    ]  # fmt: skip
    assert [words.seconds_text(x) for x in (0.42, 34, 725, 3840)] == ["0.4 s", "34 s", "12 min 5 s", "1 h 4 min"]
