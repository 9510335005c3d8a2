"""What `tessera-client page` shows of a site, from what the site keeps itself."""

import datetime
import json
import os
import time

import pytest
from typer.testing import CliRunner

from client.audit.log import RECEIVED, SENT, append, head_at
from client.audit.reading import head_of, read_log
from client.cli import app
from client.node.connection import Connection, State
from client.report.live import shown_of
from client.report.rounds import rounds_in
from modalities.core.files.atomic import write_json
from modalities.core.settings.site import SITE_FILE, read_site_config
from server.network.certificates import Tls, make_authority
from strategies.page.live import Live
from tests.client.audit.logs import ABOUT, N_ENTRIES, write_log
from tests.strategies.page.served import everything_below, served
from tests.strategies.page.test_live import SCRIPT, Events, Found


@pytest.fixture
def site(tmp_path):
    return write_log(tmp_path / "st_anna")


@pytest.fixture
def home(site):
    """A site with a log of seven entries, and the certificate of its study's authority."""
    tls = Tls(site.home.site / "tls")
    make_authority(tls, "test", datetime.datetime.now(datetime.UTC))
    (site.home.site / "ca.crt").write_bytes(tls.authority.read_bytes())
    return site.home


def shown(home):
    return shown_of(home, read_site_config(home.site / SITE_FILE))


def text_of(home, part):
    return " ".join(Found(Live(shown(home)).picture().parts[part]).text.split())


def trained(home, server_round, **metrics):
    train = {**ABOUT, "message": "train.branches"}
    append(home, RECEIVED, {**train, "holds": {"config.cnv": {"server-round": server_round}, "config.masking": {}}})
    append(home, SENT, {**train, "holds": {f"metrics.{part}": numbers for part, numbers in metrics.items()}})


def test_a_site_that_never_joined_shows_its_machine_and_what_is_not_there_yet(tmp_path):
    home = write_log(tmp_path / "st_anna").home
    for left in (home.audit, home.audit_tree):
        left.unlink()
    assert Live(shown(home)).picture().news == "this site has not joined yet"
    assert "cannot be shown: " in text_of(home, "now")
    assert "ca.crt: no certificate in PEM format" in text_of(home, "now")
    assert text_of(home, "told") == "Nothing."
    assert text_of(home, "rounds") == "This site has not trained yet."
    assert text_of(home, "left") == "Nothing left yet."
    assert text_of(home, "audit") == "The audit log begins with the first message."


def test_connection_certificate_code_and_the_head_of_the_audit_log_stand_there(home):
    write_json(home.state, {"state": "connected", "pid": 1, "time": 0.0, "meaning": "", "complaints": []})
    contact = datetime.datetime(2026, 11, 29, 10, 11, 12).timestamp()
    write_json(home.connection, vars(Connection(State.CONNECTED, 0.0, contact, None, "train.branches")))
    now = text_of(home, "now")
    assert "connection stopped" in now  # nobody holds the lock
    assert "coordinator fed.example.org:9443 last heard from 2026-11-29 10:11:12 last request train.branches" in now
    assert "approved code cccccccccccc study's authority (ca.crt) 3649 days left" in now
    audit = text_of(home, "audit")
    assert audit.startswith(f"entries 7 root {head_at(home, N_ENTRIES).root[:16]} Whether it is whole")


def test_what_the_coordinator_countersigned_stands_beside_the_head(site, home):
    for receipt in site.receipts():
        with home.receipts.open("a") as file:
            file.write(json.dumps(receipt.to_dict()) + "\n")
    assert "countersigned 6 entries, " in text_of(home, "audit")
    assert f"root of these {head_at(home, 6).root[:16]}" in text_of(home, "audit")


def test_the_head_is_that_of_the_log_at_every_size(tmp_path):
    home = write_log(tmp_path / "st_anna").home
    for size in range(N_ENTRIES + 1, N_ENTRIES + 12):
        append(home, RECEIVED, {**ABOUT, "message": "query.setup", "holds": {}})
        assert head_of(home) == head_at(home, size)
    home.audit_tree.write_bytes(home.audit_tree.read_bytes()[:-1])
    with pytest.raises(ValueError, match="number of entries of an audit log must be a whole number"):
        head_of(home)


def test_why_it_takes_no_part_and_code_that_was_refused_is_to_be_seen_to(home):
    meaning = "nothing listens there; the coordinator may be restarting"
    complaints = ["cnv: too few cases", SCRIPT]
    write_json(home.state, {"state": "waiting", "pid": 1, "time": 0.0, "meaning": meaning, "complaints": complaints})
    write_json(home.refused, {"digest": "d" * 64, "time": time.time()})
    told = text_of(home, "told")
    assert told.startswith(f"not connected: {meaning} refused: the coordinator sent the code {'d' * 64}")
    assert told.endswith(f"1 cnv: too few cases 2 {SCRIPT}")
    assert Live(shown(home)).picture().news == f"stopped: {meaning}"


def test_losses_are_a_case_of_the_branch_and_of_the_cases_that_its_fold_copies_never_saw(home):
    scored = {"held-out-n": 3, "held-out-loss-sum": 4.5}, {"held-out-n": 5, "held-out-loss-sum": 5.5}
    copies = {f"cnv@{n}": {"num-examples": 8, "loss-sum": 1.0, **own} for n, own in enumerate(scored, start=1)}
    for number, loss in ((4, 16.0), (5, 12.0)):
        branch = {"num-examples": 8, "loss-sum": loss, "held-out-n": 0, "held-out-loss-sum": 0.0}
        trained(home, number, cnv=branch, **copies)
    found = rounds_in(read_log(home).entries())["cnv"]
    assert (found.last, found.cases) == (5, 8)
    assert found.training[-2:] == [(4, 2.0), (5, 1.5)]
    assert found.held_out == [(3, 1.25), (4, 1.25)]
    assert text_of(home, "rounds").endswith("cnv 5 1000 8 1.5000 1.2500")


def test_under_masks_rounds_are_counted_and_losses_are_said_to_be_unknown(home):
    (home.site / "site.yaml").write_text("name: st_anna\npolicy: {max_rounds: 23}\n")
    train = {**ABOUT, "study": "6" * 64, "message": "train.branches"}
    holds = {"config.cnv": {"server-round": 9}, "config.masking": {"among": "x"}}
    append(home, RECEIVED, {**train, "holds": holds})
    append(home, SENT, {**train, "holds": {"masked.cnv": {"vector": "uint64[300]"}}})
    assert text_of(home, "rounds").endswith("cnv 9 23 - - - Losses leave masked, and the site keeps none of them.")


def test_what_left_is_told_by_kind_and_the_latest_messages_by_number(home):
    left = text_of(home, "left")
    assert "who this site is, which modalities it has, and of how many cases 1 " in left
    assert "the weights of each branch after a round of training here 2 " in left
    assert "sum over 3 sites or more" in left
    assert "epsilon 0.5" in left
    latest = text_of(home, "latest")
    assert latest.index("query.<b>odd</b>") < latest.index("train.branches") < latest.index("query.capabilities")
    assert "<b>" not in Live(shown(home)).picture().parts["latest"]


def test_an_open_page_shows_a_message_within_two_seconds_and_nothing_is_written(home):
    with served(shown(home)) as here:
        events = Events(here.welcome())
        events.wait_for(lambda change: "train.branches" in change["parts"].get("latest", ""))
        append(home, RECEIVED, {**ABOUT, "message": "query.conformal", "holds": {}})
        before, wrote = everything_below(home.site), time.monotonic()
        came, change = events.wait_for(lambda change: "query.conformal" in change["parts"].get("latest", ""))
        assert came - wrote < 2
        assert {"latest", "audit"} <= {*change["parts"]} <= {"latest", "audit", "now"}
    assert everything_below(home.site) == before


def test_what_only_shows_opens_nothing_for_writing(home, monkeypatch):
    opened, real = [], os.open

    def recorded(path, flags, *more, **named):
        opened.append((str(path), flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)))
        return real(path, flags, *more, **named)

    monkeypatch.setattr(os, "open", recorded)
    Live(shown(home)).picture()
    assert [path for path, flags in opened if flags] == []
    assert str(home.audit) in dict(opened)


def test_a_folder_that_is_no_site_is_said(tmp_path):
    said = CliRunner().invoke(app, ["page", str(tmp_path)])
    assert said.exit_code == 1
    assert "site.yaml" in said.output
