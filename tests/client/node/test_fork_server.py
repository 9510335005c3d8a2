"""A site runs approved code only, and what fails before that code runs says nothing of the site."""

import io
import stat
import subprocess
import zipfile

import pytest
from typer.testing import CliRunner

from client.cli import app
from client.node.approval import NotApprovedError, approvals, approve, last_refused, refusal, withdraw
from client.node.fork_server import FAILED, NOT_APPROVED, guarded
from client.node.home import Home
from client.node.programs import ALLOWED, REFUSED, write_programs
from strategies.bundle import digest_of_bundle, digest_of_checkout, staged_app


def bundle(files, compression=zipfile.ZIP_DEFLATED):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return packed.getvalue()


CODE = {"client/app.py": "x = 1", "pyproject.toml": "[project]"}


def test_the_digest_is_of_what_runs_however_it_is_packed():
    digest = digest_of_bundle(bundle(CODE))
    assert digest_of_bundle(bundle(dict(reversed(CODE.items())), zipfile.ZIP_STORED)) == digest
    assert digest_of_bundle(bundle({**CODE, "client/app.py": "x = 2"})) != digest
    assert digest_of_bundle(bundle({**CODE, "client/more.py": ""})) != digest
    with pytest.raises(ValueError, match="no zip archive"):
        digest_of_bundle(b"something else")
    packed = io.BytesIO(bundle(CODE))
    with zipfile.ZipFile(packed, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("client/app.py", "x = 3")
    with pytest.raises(ValueError, match="holds a file twice"):
        digest_of_bundle(packed.getvalue())


def test_a_checkout_has_the_digest_of_the_bundle_that_flower_makes_of_it(tmp_path):
    from flwr.cli.build import build_fab_from_disk

    from strategies.bundle import REPOSITORY

    assert digest_of_checkout() == digest_of_bundle(build_fab_from_disk(staged_app(REPOSITORY, tmp_path / "app")))
    with pytest.raises(ValueError, match="no source here"):
        digest_of_checkout(tmp_path)


def test_unapproved_code_is_not_installed_and_the_server_hears_no_more_than_that(tmp_path):
    home, installed = Home(tmp_path), []
    home.folder.mkdir()
    install, error = guarded(
        home, lambda code, **options: installed.append(code) or tmp_path, lambda code, reason: (code, reason)
    )
    assert error(2, "No space left on /data/st_anna") == (2, FAILED)
    with pytest.raises(NotApprovedError, match="which this site has not approved"):
        install(bundle(CODE), skip_prompt=True)
    assert installed == []
    assert error(2, "/data/st_anna") == (2, NOT_APPROVED)
    digest = digest_of_bundle(bundle(CODE))
    assert last_refused(home)["digest"] == digest
    approve(home, digest, "typed")
    assert last_refused(home) == {}
    install(bundle(CODE), skip_prompt=True)
    assert installed == [bundle(CODE)]
    withdraw(home, digest)
    with pytest.raises(NotApprovedError):
        install(bundle(CODE), skip_prompt=True)


def test_flower_still_has_the_names_that_are_wrapped():
    from flwr.supernode import start_client_internal
    from flwr.supernode.runtime import run_clientapp

    assert callable(run_clientapp.install_from_fab)
    assert isinstance(run_clientapp.Error, type)
    assert callable(start_client_internal.time.sleep)


def test_trust_approves_lists_and_withdraws(tmp_path):
    def run(*arguments):
        found = CliRunner().invoke(app, ["trust", str(tmp_path), *arguments])
        return found.exit_code, found.output.replace("\n", " ")

    ours = digest_of_checkout()
    assert run("--from-checkout") == (0, f"approved: {ours} ")
    assert list(approvals(Home(tmp_path))) == [ours]
    assert f"this source is {ours}" in run()[1]
    assert run("--withdraw", ours)[0] == 0
    assert approvals(Home(tmp_path)) == {}
    for wrong, said in (("abc", "64 hexadecimal digits"), (64 * "0", "")):
        code, output = run(wrong)
        assert (code, said in output) == (1 if said else 0, True)
    assert run("--from-checkout", ours)[0] == 1
    assert refusal(ours, tmp_path).endswith(f"tessera-client trust {tmp_path} {ours}")


def test_whatever_else_flower_would_start_at_a_site_is_refused(tmp_path):
    folder = write_programs(Home(tmp_path), str(tmp_path / "socket"))
    assert {path.name for path in folder.iterdir()} == {ALLOWED, *REFUSED}
    assert "flwr-agentapp" in REFUSED
    for name in REFUSED:
        done = subprocess.run([folder / name], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert f"{name} refused" in done.stderr
    assert stat.S_IMODE((folder / ALLOWED).stat().st_mode) == 0o700
