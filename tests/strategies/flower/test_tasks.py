"""A task's program installs what is approved, and tells the server no exception's text."""

from pathlib import Path

import pytest
from flwr.supernode.cli import flwr_clientapp
from flwr.supernode.runtime import run_clientapp

from strategies.flower import tasks
from strategies.flower.tasks import FAILED, MODULE, NOT_APPROVED, NotApprovedError, guarded, run_task


def test_unapproved_code_is_not_installed_and_the_server_hears_no_more_than_that(tmp_path):
    installed = []

    def approve(code):
        if code != b"approved":
            raise NotApprovedError("which this site has not approved")

    install, error = guarded(
        approve, lambda code, **options: installed.append(code) or tmp_path, lambda code, reason: (code, reason)
    )
    assert error(2, "No space left on /data/st_anna") == (2, FAILED)
    with pytest.raises(NotApprovedError, match="has not approved"):
        install(b"something else", skip_prompt=True)
    assert installed == []
    assert error(2, "/data/st_anna") == (2, NOT_APPROVED)
    install(b"approved", skip_prompt=True)
    assert installed == [b"approved"]


def test_flowers_program_looks_up_the_names_that_are_put_in_place(monkeypatch):
    """Each is used in its own module, as it was imported there."""
    source = Path(str(run_clientapp.__file__)).read_text()
    for name, use in (
        ("install_from_fab", "install_from_fab("),
        ("Error", "Error("),
        ("pull_and_inflate_object_from_tree", "pull_and_inflate_object_from_tree("),
    ):
        assert use in source
        monkeypatch.setattr(run_clientapp, name, getattr(run_clientapp, name))  # and is put back after this test
    monkeypatch.setattr("flwr.supernode.cli.flwr_clientapp", lambda: None)
    run_task(lambda bundle: None)
    assert run_clientapp.install_from_fab.__module__ == tasks.__name__
    assert run_clientapp.Error(2, "/data/st_anna").reason == FAILED
    assert run_clientapp.pull_and_inflate_object_from_tree.keywords["initial_backoff"] < 1


def test_the_module_that_is_imported_before_the_fork_is_the_programs():
    assert flwr_clientapp.__module__ == MODULE
