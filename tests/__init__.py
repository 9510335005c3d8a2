"""Tests mirror the folders of the code; `tests.support` is what several of them share."""
