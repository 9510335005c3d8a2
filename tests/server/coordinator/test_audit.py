"""`tessera-server audit`: what was countersigned of the sites' logs, listed and exported."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner

from client.audit.reading import receipts_in
from server.audit.receipts import AUDIT_FILE, Receipts
from server.cli import app
from server.coordinator.folder import Study
from tests.server.audit.test_receipts import NODE, Log

KEY = Ed25519PrivateKey.generate()


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path / "study")


@pytest.fixture
def receipts(study):
    return Receipts(study.run / AUDIT_FILE, KEY, {"st_anna": NODE.public_key(), "stolp": NODE.public_key()})


def run(study, *arguments):
    return CliRunner().invoke(app, ["audit", str(study.folder), *map(str, arguments)], env={"COLUMNS": "250"})


def test_before_any_site_answered_there_is_nothing(study):
    typed = run(study)
    assert typed.exit_code == 0
    assert "nothing is countersigned yet" in typed.output


def test_each_sites_last_head_is_listed_and_written_as_a_site_reads_it(study, receipts, tmp_path):
    receipts.take("st_anna", Log(b"1", b"2").sent())
    receipts.take("stolp", Log(b"1", b"2", b"3").sent(site="stolp"))
    receipts.save()
    typed = run(study, "--to", tmp_path / "receipts.json")
    assert typed.exit_code == 0
    rows = [line.split("│")[1:4] for line in typed.output.splitlines() if "st" in line and "│" in line]
    assert [(site.strip(), int(entries)) for site, entries, _ in rows] == [("st_anna", 2), ("stolp", 3)]
    written = receipts_in(tmp_path / "receipts.json")
    assert [(each.site, each.size) for each in written] == [("st_anna", 2), ("stolp", 3)]
    assert all(each.is_countersigned(KEY.public_key()) for each in written)
    assert json.loads(run(study, "--json").output)["receipts"] == [each.to_dict() for each in written]


def test_a_log_that_did_not_extend_ends_with_exit_code_1_and_its_earlier_head_is_exported(study, receipts, tmp_path):
    receipts.take("st_anna", Log(b"1", b"2", b"3").sent())
    receipts.take("st_anna", Log(b"1", b"x").sent())
    receipts.save()
    typed = run(study, "--to", tmp_path / "receipts.json")
    assert typed.exit_code == 1
    assert "st_anna: the log of 2 entries on" in typed.output
    assert "does not begin with the 3 that were countersigned on" in typed.output
    assert [each.size for each in receipts_in(tmp_path / "receipts.json")] == [3, 2]
