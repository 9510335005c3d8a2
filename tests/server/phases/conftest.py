"""What the tests of a study's phases share."""

import pytest

from server.phases import attendance


@pytest.fixture
def quick_looks(monkeypatch):
    """Who is away is looked for often."""
    monkeypatch.setattr(attendance, "_LOOK_S", 0.01)
