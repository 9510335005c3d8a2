"""A site runs approved code only, and what fails before that code runs says nothing of the site."""

import hashlib
import io
import json
import os
import stat
import subprocess
import sys
import zipfile

import pytest
from typer.testing import CliRunner

from client.cli import app
from client.node import fork_server
from client.node.approval import (
    approvals,
    approve,
    last_refused,
    refusal,
    refuse_unapproved,
    withdraw,
)
from client.node.fork_server import OwnCode, _approve, _digest_of_own_code, _work
from client.node.home import Home
from client.node.programs import write_programs
from modalities.core.supply.packages import installed
from strategies.bundle import REPOSITORY, digest_of_bundle, digest_of_checkout, staged_app
from strategies.flower.bundles import build
from strategies.flower.tasks import OTHER_PROGRAMS, PROGRAM, NotApprovedError


def bundle(files, compression=zipfile.ZIP_DEFLATED):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return packed.getvalue()


PACKAGES = {"numpy": "2.4.1 aa", "torch": "2.13.0 bb"}
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


def test_a_file_whose_name_would_pass_for_two_files_has_no_digest():
    """The lines of one file, `a` and a line break and the line of `b`, would be those of two."""
    both = {"a": "x = 1", "b": "x = 2"}
    of_b = hashlib.sha256(both["b"].encode()).hexdigest()
    digest_of_bundle(bundle(both))
    with pytest.raises(ValueError, match="a file whose name has a line break or a control character"):
        digest_of_bundle(bundle({f"a\n{of_b}  b": both["a"]}))


def test_a_checkout_has_the_digest_of_the_bundle_that_flower_makes_of_it(tmp_path):
    assert digest_of_checkout() == digest_of_bundle(build(staged_app(REPOSITORY, tmp_path / "app")))
    with pytest.raises(ValueError, match="no source here"):
        digest_of_checkout(tmp_path)


def test_a_task_knows_the_digest_of_the_code_that_was_approved_for_it(tmp_path, monkeypatch):
    monkeypatch.setenv("TESSERA_APPROVED_CODE", "of another test")  # so that it is put back, whatever is approved here
    monkeypatch.delenv("TESSERA_APPROVED_CODE")
    home, digest = Home(tmp_path), digest_of_bundle(bundle(CODE))
    with pytest.raises(NotApprovedError, match=f"sent the code {digest}, which"):
        _approve(home, OwnCode(digest, PACKAGES), bundle(CODE))
    assert "TESSERA_APPROVED_CODE" not in os.environ
    approve(home, digest, "typed", PACKAGES)
    _approve(home, OwnCode(digest, PACKAGES), bundle(CODE))
    assert os.environ["TESSERA_APPROVED_CODE"] == digest


@pytest.mark.parametrize("is_same", [True, False])
def test_the_servers_own_modules_serve_a_task_if_they_are_the_bundles_file_by_file(tmp_path, monkeypatch, is_same):
    home, digest = Home(tmp_path), digest_of_bundle(bundle(CODE))
    approve(home, digest, "typed", PACKAGES)
    modules = {"client": sys, "client.app": sys, "strategies.wire": sys, "torch": sys}
    monkeypatch.setattr(sys, "modules", modules)
    monkeypatch.setenv("TESSERA_APPROVED_CODE", "")
    own = digest if is_same else digest_of_bundle(bundle({**CODE, "client/app.py": "x = 2"}))
    _approve(home, OwnCode(own, PACKAGES), bundle(CODE))
    assert list(modules) == (["client", "client.app", "strategies.wire", "torch"] if is_same else ["torch"])


def test_the_digest_of_this_servers_code_is_that_of_its_source_or_none(monkeypatch):
    assert _digest_of_own_code() == digest_of_checkout()
    monkeypatch.setattr(fork_server, "digest_of_checkout", lambda: digest_of_checkout(REPOSITORY / "docs"))
    assert _digest_of_own_code() == ""


def test_a_site_keeps_which_code_it_refused_until_that_is_approved(tmp_path):
    home = Home(tmp_path)
    with pytest.raises(NotApprovedError, match="which this site has not approved"):
        refuse_unapproved(home, bundle(CODE), PACKAGES)
    digest = digest_of_bundle(bundle(CODE))
    assert last_refused(home)["digest"] == digest
    approve(home, digest, "typed", PACKAGES)
    assert last_refused(home) == {}
    refuse_unapproved(home, bundle(CODE), PACKAGES)
    with pytest.raises(NotApprovedError):
        refuse_unapproved(home, bundle({**CODE, "client/app.py": "x = 2"}), PACKAGES)
    withdraw(home, digest)
    with pytest.raises(NotApprovedError):
        refuse_unapproved(home, bundle(CODE), PACKAGES)


def test_approved_code_does_not_run_on_packages_that_changed_since_until_it_is_approved_again(tmp_path):
    home, digest = Home(tmp_path), digest_of_bundle(bundle(CODE))
    approve(home, digest, "typed", PACKAGES)
    now = {"numpy": "2.4.2 cc", "torch": "2.13.0 dd", "wheel": "1.0 ee"}
    changes = "numpy 2.4.1 -> 2.4.2, torch 2.13.0: other files under the same version, wheel none -> 1.0"
    with pytest.raises(NotApprovedError, match=f"packages changed since the code was approved: {changes}"):
        refuse_unapproved(home, bundle(CODE), now)
    assert refusal(last_refused(home), tmp_path) == (
        f"refused: the packages here are not those that the code was approved with: {changes}; install those again, or "
        f"once you know why, allow it with: tessera-client trust {tmp_path} {digest}"
    )
    approve(home, digest, "typed", now)
    assert (refuse_unapproved(home, bundle(CODE), now), last_refused(home)) == (digest, {})


def test_an_approval_from_before_packages_counted_still_holds(tmp_path):
    home, digest = Home(tmp_path), digest_of_bundle(bundle(CODE))
    home.folder.mkdir()
    home.approved.write_text(json.dumps({digest: {"source": "typed", "time": 1.0}}))
    assert refuse_unapproved(home, bundle(CODE), PACKAGES) == digest


def test_trust_approves_lists_and_withdraws(tmp_path):
    def run(*arguments):
        found = CliRunner().invoke(app, ["trust", str(tmp_path), *arguments])
        return found.exit_code, found.output.replace("\n", " ")

    ours = digest_of_checkout()
    on = f"on the {len(installed())} packages that are installed here"
    assert run("--from-checkout") == (0, f"approved: {ours}, {on} ")
    assert list(approvals(Home(tmp_path))) == [ours]
    assert f"this source is {ours}" in run()[1]
    assert run("--withdraw", ours)[0] == 0
    assert approvals(Home(tmp_path)) == {}
    for wrong, said in (("abc", "64 hexadecimal digits"), (64 * "0", "")):
        code, output = run(wrong)
        assert (code, said in output) == (1 if said else 0, True)
    assert run("--from-checkout", ours)[0] == 1
    assert refusal({"digest": ours}, tmp_path).endswith(f"tessera-client trust {tmp_path} {ours}")


def test_whatever_else_flower_would_start_at_a_site_is_refused(tmp_path):
    folder = write_programs(Home(tmp_path), str(tmp_path / "socket"))
    assert {path.name for path in folder.iterdir()} == {PROGRAM, *OTHER_PROGRAMS}
    assert "flwr-agentapp" in OTHER_PROGRAMS
    for name in OTHER_PROGRAMS:
        done = subprocess.run([folder / name], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert f"{name} refused" in done.stderr
    assert stat.S_IMODE((folder / PROGRAM).stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("end", "code", "said"),
    [(None, 0, ""), (SystemExit(3), 3, ""), (SystemExit("no"), 1, ""), (OSError("no disk"), 1, "OSError: no disk")],
    ids=["done", "its own code", "a word for a code", "an error"],
)
def test_a_tasks_process_ends_with_its_code_and_an_error_is_in_the_log(end, code, said, tmp_path, monkeypatch, capfd):
    def task(approve):
        assert sys.argv == [PROGRAM, "--token", "t"]
        print("last words", end="")  # noqa: T201
        if end is not None:
            raise end

    monkeypatch.setattr(fork_server, "run_task", task)
    child = os.fork()
    if not child:
        _work(["--token", "t"], Home(tmp_path), OwnCode("", {}))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == code
    out, err = capfd.readouterr()
    assert out == "last words"
    assert said in err
    assert bool(err) == bool(said)
