"""Whoever asks packed is answered packed, and an error stays an error."""

import pytest
from flwr.app import ConfigRecord, Message, RecordDict

from strategies.packing import is_packed, packed, unpacked
from tests.client.sites import FEDERATION, Site
from tests.support import FIRST_NODE, all_arrays, same_arrays, write_sites

STATISTICS = {
    "config.study": ConfigRecord({}),
    "config.cnv": ConfigRecord({"holders": 2}),
    "config.hif": ConfigRecord({"holders": 2}),
}


@pytest.fixture
def site(tmp_path):
    return Site(write_sites(tmp_path, FEDERATION, [("cnv", "hif")], [29]))


def ask(site, message_type, content):
    return site.grid.send_and_receive([Message(content, FIRST_NODE, message_type)])[0]


def test_a_packed_question_gets_a_packed_answer_with_the_same_numbers(site):
    site.introduced()
    plain, came_packed = (
        ask(site, "query.statistics", content) for content in (RecordDict(STATISTICS), packed(RecordDict(STATISTICS)))
    )
    assert not is_packed(plain.content)
    assert is_packed(came_packed.content)
    assert same_arrays(all_arrays(unpacked(came_packed.content)), all_arrays(plain.content))
    assert set(all_arrays(plain.content)) == {"arrays.study", "arrays.cnv", "arrays.hif"}


def test_what_fails_is_answered_by_its_code_however_it_was_asked(site):
    for content in (RecordDict(STATISTICS), packed(RecordDict(STATISTICS))):
        assert ask(site, "query.statistics", content).has_error()  # no handshake came before
