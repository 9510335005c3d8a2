"""A task's program installs what is approved, and tells the server no exception's text."""

import shutil
from pathlib import Path

import pytest
from flwr.cli.install import install_from_fab
from flwr.supernode.cli import flwr_clientapp
from flwr.supernode.runtime import run_clientapp

from strategies.bundle import REPOSITORY, staged_app
from strategies.flower import tasks
from strategies.flower.bundles import build
from strategies.flower.tasks import FAILED, MODULE, NOT_APPROVED, NotApprovedError, guarded, installed, run_task


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return build(staged_app(REPOSITORY, tmp_path_factory.mktemp("app") / "app"))


@pytest.fixture
def flower_home(tmp_path, monkeypatch):
    monkeypatch.setenv("FLWR_HOME", str(tmp_path))
    return tmp_path


def test_unapproved_code_is_not_installed_and_the_server_hears_no_more_than_that(flower_home, bundle):
    def approve(code):
        if code != bundle:
            raise NotApprovedError("which this site has not approved")

    install, error = guarded(approve, install_from_fab, lambda code, reason: (code, reason))
    assert error(2, "No space left on /data/st_anna") == (2, FAILED)
    with pytest.raises(NotApprovedError, match="has not approved"):
        install(b"something else", skip_prompt=True)
    assert list(flower_home.iterdir()) == []
    assert error(2, "/data/st_anna") == (2, NOT_APPROVED)
    folder = install(bundle, skip_prompt=True)
    assert (folder / "client" / "app.py").read_bytes() == (REPOSITORY / "client" / "app.py").read_bytes()


def test_a_bundle_is_where_flower_would_have_put_it_and_is_unpacked_once(flower_home, bundle):
    asked = []

    def install(code, **options):
        asked.append(code)
        return install_from_fab(code, **options)

    folder = installed(install, bundle, skip_prompt=True)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert installed(install, bundle, skip_prompt=True) == folder
    assert asked == [bundle]
    shutil.rmtree(folder)
    assert install_from_fab(bundle, skip_prompt=True) == folder


def test_what_a_kill_leaves_of_an_unpacked_bundle_is_not_taken_for_the_whole(flower_home, bundle):
    def killed(code, install_dir, **options):
        install_from_fab(code, install_dir=install_dir, **options)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        installed(killed, bundle, skip_prompt=True)
    folder = installed(install_from_fab, bundle, skip_prompt=True)
    assert (folder / "pyproject.toml").is_file()


def test_of_two_tasks_that_unpack_at_once_both_find_it(flower_home, bundle):
    def late(code, install_dir, **options):
        installed(install_from_fab, code, **options)
        return install_from_fab(code, install_dir=install_dir, **options)

    assert (installed(late, bundle, skip_prompt=True) / "pyproject.toml").is_file()


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
