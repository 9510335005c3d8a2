"""What a block sends is what Flower's own record would, to the bit; it is written out once."""

from flwr.app import ConfigRecord, RecordDict
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_tree
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents

from strategies.flower.pace.blocks import Block

PIECE = bytes(range(256)) * 64


def test_it_is_sent_as_flowers_own_record():
    own, flowers = Block(PIECE), ConfigRecord({"bytes": PIECE})
    assert own == flowers
    assert (own.deflate(), own.object_id) == (flowers.deflate(), flowers.object_id)


def test_it_is_written_out_once_however_often_a_message_asks(monkeypatch):
    written = []
    flowers = ConfigRecord.deflate

    def counted(self):
        written.append(self)
        return flowers(self)

    monkeypatch.setattr(ConfigRecord, "deflate", counted)
    content = RecordDict({"a": Block(PIECE), "b": Block(PIECE[:9])})
    assert get_object_tree(content).object_id == content.object_id
    assert all(own.deflate() for own in get_all_nested_objects(content).values())
    assert len(written) == 2


def test_it_is_read_as_a_record():
    content = RecordDict({"a": Block(PIECE)})
    contents = {key: own.deflate() for key, own in get_all_nested_objects(content).items()}
    read = inflate_object_from_contents(content.object_id, contents)
    assert type(read["a"]) is ConfigRecord
    assert read["a"]["bytes"] == PIECE
