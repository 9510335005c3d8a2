"""A real site lists what it sent, before it leaves."""

import json

import pytest
from flwr.app import Message

from client.app import app
from client.node.home import Home
from client.study.sent import contents_of
from simulations.engines.inline import InlineGrid
from strategies.wire import config_record
from tests.client.test_app import FEDERATION, Site
from tests.support import FIRST_NODE, write_sites


@pytest.fixture
def site(tmp_path):
    """The first site as a hospital runs it: its node config names the folder."""
    root = write_sites(tmp_path, FEDERATION)
    own = Site(root)
    own.grid._contexts[FIRST_NODE].node_config["site"] = str(root / "site_1")
    own.grid._contexts[FIRST_NODE].run_config = {}
    return own


def lines_of(folder):
    path = Home(folder).sent
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def test_every_reply_of_a_real_site_is_listed_with_names_sizes_and_numbers(site, tmp_path):
    first = site.introduced()
    second = site.ask("query.statistics", config__cnv=config_record({"holders": 2}), config__study=config_record({}))
    lines = lines_of(tmp_path / "site_1")
    assert [line["message"] for line in lines] == ["query.capabilities", "query.statistics"]
    assert [line["holds"] for line in lines] == [contents_of(first.content), contents_of(second.content)]
    assert lines[0]["holds"]["config.study"] == {"site": "site_1", "digest": FEDERATION.digest}
    assert lines[1]["holds"]["arrays.cnv"] == {
        "cases": "float64[1]",
        **dict.fromkeys(("n", "sum", "square"), "float64[180]"),
    }


def test_what_cannot_be_listed_does_not_leave(site, tmp_path):
    Home(tmp_path / "site_1").sent.mkdir(parents=True)
    reply = site.introduced()
    assert isinstance(reply, Message)
    assert (reply.error.code, reply.error.reason) == (2, "see the site's log")


def test_a_simulated_site_keeps_no_list(tmp_path):
    root = write_sites(tmp_path, FEDERATION)
    own = Site(root)
    own.grid = InlineGrid(app, 1, {"site-root": str(root)})
    assert own.introduced().has_content()
    assert lines_of(root / "site_1") == []
