"""The inline grid: a Flower Grid in one process."""

import pytest
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid

from simulations.engines.inline import InlineGrid


def counting_app(seen):
    app = ClientApp()

    @app.query("count")
    def count(message, context):
        partition = context.node_config["partition-id"]
        before = context.state.config_records.get("n", {"n": 0})["n"]
        context.state["n"] = ConfigRecord({"n": before + 1})
        seen.append(partition)
        if partition == 2:
            raise KeyError("a secret")
        content = {"n": before + 1, "run": context.run_config["run"], "of": context.node_config["num-partitions"]}
        return Message(RecordDict({"found": ConfigRecord(content)}), reply_to=message)

    return app


@pytest.fixture
def seen():
    return []


@pytest.fixture
def grid(seen):
    return InlineGrid(counting_app(seen), 3, {"run": "config"})


def asked(*nodes):
    return [Message(RecordDict(), node, "query.count") for node in nodes]


def test_it_is_a_flower_grid_with_a_node_a_partition(grid):
    assert isinstance(grid, Grid)
    assert list(grid.get_node_ids()) == [1000, 1001, 1002]


def test_every_node_knows_its_partition_and_the_run_config_and_keeps_its_own_state(grid):
    for n in (1, 2):
        for reply in grid.send_and_receive(asked(1000, 1001)):
            assert dict(reply.content["found"]) == {"n": n, "run": "config", "of": 3}


def test_a_client_runs_when_its_reply_is_asked_for_one_at_a_time(grid, seen):
    ids = list(grid.push_messages(asked(1001, 1000)))
    assert seen == []
    (first,) = grid.pull_messages(ids)
    assert seen == [1]
    assert first.metadata.reply_to_message_id == ids[0]
    assert first.metadata.src_node_id == 1001
    (second,) = grid.pull_messages(ids)
    assert second.metadata.reply_to_message_id == ids[1]
    assert list(grid.pull_messages(ids)) == []


def test_an_exception_becomes_an_error_reply_without_its_text(grid):
    (reply,) = grid.send_and_receive(asked(1002))
    assert reply.has_error()
    assert reply.error.code == 2
    assert "secret" not in reply.error.reason


def test_messages_have_ids_of_their_own(grid):
    ids = list(grid.push_messages(asked(1000, 1000, 1001)))
    assert len(set(ids)) == 3
    assert "" not in ids
