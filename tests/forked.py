"""Real sites whose every message is a fresh process, as in a deployment: nothing but context and disk is left of one.

Each process notes the files of the site that it opens, and each reading of a modality.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging import FileHandler, getLogger
from pathlib import Path
from typing import NamedTuple

import pytest
from flwr.app import Message
from flwr.common.serde import context_from_proto, context_to_proto, message_from_proto, message_to_proto
from flwr.proto.message_pb2 import Context as ContextProto
from flwr.proto.message_pb2 import Message as MessageProto

from client.app import app
from client.node.home import Home
from client.node.keys import make_node_key
from client.study import session
from modalities.core.registry import plugins
from modalities.core.site import store
from modalities.core.site.store import OWN_FOLDER
from simulations.engines.inline import InlineGrid
from tests.support import WatchedGrid


class Noted(NamedTuple):
    """Something that a process did with a site's files."""

    message: str
    site: str
    what: str
    """`read <kind>`, or the name of a file that was opened."""


class ForkedGrid(InlineGrid):
    """Nodes that are real sites: their node config names a folder, and each message is answered by a new process."""

    def __init__(self, root: Path, folders: list[Path], before: Callable[[Message], None]) -> None:
        super().__init__(app, len(folders), {})
        self.notes, self.log, self._before = root / "notes.jsonl", root / "site.log", before
        for node_id, folder in zip(self.get_node_ids(), folders, strict=True):
            self._contexts[node_id].node_config["site"] = str(folder)
            make_node_key(Home(folder).key, Home(folder).public_key, folder.name)

    def noted(self) -> list[Noted]:
        return [Noted(*json.loads(line)) for line in self.notes.read_text().splitlines()]

    def _answer(self, message: Message) -> Message:
        self._before(message)
        node_id = message.metadata.dst_node_id
        reading, writing = os.pipe()
        if (child := os.fork()) == 0:
            os.close(reading)
            _end_after(lambda: self._in_child(message, writing))
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            sizes, content = pipe.readline(), pipe.read()
        assert os.waitpid(child, 0)[1] == 0
        size = int(sizes)
        self._contexts[node_id] = context_from_proto(ContextProto.FromString(content[size:]))
        return message_from_proto(MessageProto.FromString(content[:size]))

    def _in_child(self, message: Message, writing: int) -> None:
        node_id = message.metadata.dst_node_id
        folder = Path(str(self._contexts[node_id].node_config["site"]))
        store._kept.clear()
        session._opened.cache_clear()
        getLogger("tessera.client").addHandler(FileHandler(self.log))
        _watch_files(self.notes, message.metadata.message_type, folder)
        # As it comes from a SuperNode: copies of everything, each array as bytes.
        self._contexts[node_id] = context_from_proto(context_to_proto(self._contexts[node_id]))
        reply = message_to_proto(super()._answer(message_from_proto(message_to_proto(message)))).SerializeToString()
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(b"%d\n" % len(reply) + reply + context_to_proto(self._contexts[node_id]).SerializeToString())


def _end_after(work: Callable[[], None]) -> None:
    """Do it, and end this process whatever happens: the rest of the test is the parent's."""
    code = 1
    try:
        work()
        code = 0
    except BaseException as error:
        sys.stderr.write(repr(error))
    finally:
        os._exit(code)


def _watch_files(notes: Path, message: str, folder: Path) -> None:
    descriptor = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(what: str) -> None:
        os.write(descriptor, json.dumps([message, folder.name, what]).encode() + b"\n")

    def hook(event: str, arguments: tuple) -> None:
        path = str(arguments[0]) if event == "open" else ""
        if path.startswith(f"{folder}/") and f"/{OWN_FOLDER}/" not in path:
            note(path.removeprefix(f"{folder}/"))

    for kind, module in plugins().items():

        def read(source, config, kind=kind, real=module.read):
            note(f"read {kind}")
            return real(source, config)

        module.read = read
    sys.addaudithook(hook)


@contextmanager
def forked(root: Path, before: Callable[[Message], None] = lambda message: None) -> Iterator[WatchedGrid]:
    """A watched grid over the real sites below the root; `before` sees each message as it goes out."""
    folders = sorted(path.parent for path in root.glob("*/site.yaml"))
    grid = WatchedGrid(root, len(folders))
    grid.inner = ForkedGrid(root, folders, before)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield grid
