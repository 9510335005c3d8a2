"""What Tessera takes from Flower without a public name is what Flower means by it."""

import logging

from flwr.app import Message, RecordDict
from flwr.common.constant import ErrorCode
from flwr.supercore import log as flowers_log

from strategies.checks import UNAVAILABLE
from strategies.flower.grids import LocalGrid, WrappedGrid
from strategies.flower.log import log
from strategies.flower.messages import CLIENT_FAILED, be_server, give_id


def test_a_message_of_one_process_has_an_id_a_run_and_a_sender_and_its_reply_names_it():
    be_server(run_id=3, node_id=5)
    message = Message(RecordDict(), 11, "query.capabilities")
    ids = {give_id(message), give_id(message)}
    assert len(ids) == 2
    reply = Message(RecordDict(), reply_to=message)
    assert (message.metadata.run_id, message.metadata.src_node_id) == (3, 5)
    assert reply.metadata.reply_to_message_id == message.metadata.message_id
    assert reply.metadata.dst_node_id == 5
    be_server(run_id=1)


def test_codes_are_flowers():
    assert (CLIENT_FAILED, UNAVAILABLE) == (ErrorCode.CLIENT_APP_RAISED_EXCEPTION, ErrorCode.NODE_UNAVAILABLE)


def test_the_log_is_flowers_and_no_name_in_it_begins_a_line(caplog):
    assert flowers_log.__self__ is logging.getLogger("flwr")
    flowers_log.__self__.addHandler(caplog.handler)
    log(logging.WARNING, "tessera: %s of %d", "a\nERROR : b 100 %", 3)
    try:
        raise ValueError("x\nERROR : y")
    except ValueError:
        log(logging.ERROR, "refused", exc_info=True)
    flowers_log.__self__.removeHandler(caplog.handler)
    assert caplog.messages[0] == "tessera: a\\x0aERROR : b 100 % of 3"
    assert caplog.messages[-1].splitlines()[-2:] == ["  ValueError: x", "  ERROR : y"]


class Post(LocalGrid):
    """A node that answers at once."""

    def get_node_ids(self):
        return [1000]

    def push_messages(self, messages):
        self.sent = {give_id(message): message for message in messages}
        return list(self.sent)

    def pull_messages(self, message_ids):
        return [Message(RecordDict(), reply_to=self.sent[message_id]) for message_id in message_ids]


def test_a_wrapped_grid_does_what_the_grid_does():
    be_server(run_id=1)
    inner = Post(run_id=4)
    grid = WrappedGrid(inner)
    assert (list(grid.get_node_ids()), grid.run.run_id) == ([1000], 4)
    message = grid.create_message(RecordDict(), "query.x", 1000, "2")
    assert (message.metadata.dst_node_id, message.metadata.group_id) == (1000, "2")
    (message_id,) = grid.push_messages([message])
    assert [reply.metadata.reply_to_message_id for reply in grid.pull_messages([message_id])] == [message_id]
    (reply,) = grid.send_and_receive([message], timeout=1.0)
    assert reply.metadata.src_node_id == 1000
    other = Post(run_id=9)
    grid.set_run(other.run)
    assert inner.run.run_id == 9
