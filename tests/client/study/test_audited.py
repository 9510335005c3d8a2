"""A real site enters in its audit log what came and what leaves, before it leaves."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flwr.app import ConfigRecord, Message

from client.app import app
from client.audit.content import contents_of, digest_of_content
from client.node.home import Home
from simulations.engines.inline import InlineGrid
from strategies.audit.statements import Head, Receipt
from strategies.checks import NO_SETTINGS
from strategies.wire import config_record, to_record
from tests.client.sites import FEDERATION, RealSite, Site
from tests.support import write_sites

KEY = Ed25519PrivateKey.generate()
SETTINGS = ConfigRecord({"federation": FEDERATION.to_json()})


@pytest.fixture
def root(tmp_path):
    return write_sites(tmp_path, FEDERATION)


@pytest.fixture
def site(root):
    return RealSite(root)


def entries_of(root):
    path = Home(root / "site_1").audit
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def asked_for_statistics(site):
    return site.ask("query.statistics", config__cnv=config_record({"holders": 2}), config__study=config_record({}))


def test_every_message_and_its_reply_are_entered_with_names_sizes_numbers_and_digests(site, root):
    first, second = site.introduced(), asked_for_statistics(site)
    entries = entries_of(root)
    assert [(entry["direction"], entry["message"]) for entry in entries] == [
        ("received", "query.capabilities"),
        ("sent", "query.capabilities"),
        ("received", "query.statistics"),
        ("sent", "query.statistics"),
    ]
    for entry, reply in ((entries[1], first), (entries[3], second)):
        assert entry["holds"] == contents_of(reply.content)
        assert entry["sha256"] == digest_of_content(reply.content)
    assert entries[0]["holds"]["config.study"]["federation"].endswith(FEDERATION.digest)
    assert entries[1]["holds"]["config.study"] == {"site": "site_1", "digest": FEDERATION.digest}
    assert entries[2]["holds"] == {"config.cnv": {"holders": 2}, "config.study": {}}
    assert entries[3]["holds"]["arrays.cnv"] == {
        "cases": "float64[1]",
        **dict.fromkeys(("n", "sum", "square"), "float64[180]"),
    }
    assert {entry["study"] for entry in entries} == {FEDERATION.digest}
    assert {entry["run"] for entry in entries} == {site.context.run_id}


def test_an_entry_names_the_code_the_coordinator_and_whether_the_settings_are_of_the_sites_own_copy(
    site, root, monkeypatch
):
    settings = root / "site_1" / "site.yaml"
    settings.write_text(settings.read_text().replace("{federation", "{address: 'fed.example.org:9443', federation"))
    monkeypatch.setenv("TESSERA_APPROVED_CODE", "a" * 64)
    site.introduced()
    received, sent = entries_of(root)
    assert (received["code"], sent["code"]) == ("a" * 64, "a" * 64)
    assert (sent["coordinator"], sent["agreed"]) == ("fed.example.org:9443", True)


def test_what_fails_is_entered_as_the_code_that_the_coordinator_is_told(site, root):
    train = {"config__cnv": ConfigRecord({"server-round": 1}), "arrays__cnv": to_record(site.weights())}
    assert site.ask("train.branches", **train).error.code == NO_SETTINGS
    site.introduced()
    assert site.ask("query.statistics", config__study=ConfigRecord({}), config__cnv=ConfigRecord({})).error.code == 2
    sent = [entry for entry in entries_of(root) if entry["direction"] == "sent"]
    assert [entry.get("error") for entry in sent] == [NO_SETTINGS, None, 2]
    assert ["holds" in entry for entry in sent] == [False, True, False]


def test_a_reply_proves_that_its_log_begins_with_the_head_that_was_countersigned_last(site):
    first = site.ask("query.capabilities", config__study=SETTINGS, config__audit=ConfigRecord({})).content
    head = Head(first["config.audit"]["size"], first["config.audit"]["root"])
    assert (head.size, first["config.audit"]["proof"]) == (2, "")
    by_site = first["config.audit"]["signature"]
    receipt = Receipt("site_1", head.size, head.root, "2026-11-28T14:52:57+00:00", by_site).countersigned(KEY)
    second = site.ask("query.capabilities", config__study=SETTINGS, config__audit=ConfigRecord(receipt.to_dict()))
    sent = second.content["config.audit"]
    assert Head(sent["size"], sent["root"]).follows(head, sent["proof"])
    assert (sent["size"], sent["proof"] == "") == (4, False)


def test_what_cannot_be_entered_does_not_leave(site, root):
    Home(root / "site_1").audit.mkdir(parents=True)
    reply = site.introduced()
    assert isinstance(reply, Message)
    assert (reply.error.code, reply.error.reason) == (2, "see the site's log")


def test_a_site_without_its_key_answers_nothing(site, root, caplog):
    Home(root / "site_1").key.unlink()
    assert site.introduced().error.code == 2
    assert "no such key" in caplog.text


def test_a_simulated_site_keeps_no_log(root):
    site = Site(root)
    site.grid = InlineGrid(app, 1, {"site-root": str(root)})
    assert site.introduced().has_content()
    assert entries_of(root) == []
