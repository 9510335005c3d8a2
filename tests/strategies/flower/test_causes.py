"""What an error was raised for, down to the first."""

from strategies.flower.causes import causes


def test_the_causes_of_an_error_are_those_it_names_and_those_it_was_raised_within():
    first, second, third = OSError("first"), ValueError("second"), RuntimeError("third")
    second.__context__ = first
    third.__cause__, third.__context__ = second, KeyError("hidden by the cause")
    assert list(causes(third)) == [third, second, first]
    assert list(causes(first)) == [first]
