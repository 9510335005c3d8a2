"""One small study, for all tests that only look at it."""

import pytest

from tests.support import run_small, small_federation, write_sites


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    """Its site folders."""
    return write_sites(tmp_path_factory.mktemp("sites"), small_federation())


@pytest.fixture(scope="session")
def whole(root):
    """The study, uninterrupted."""
    return run_small(root, small_federation())
