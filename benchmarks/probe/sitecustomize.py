"""Notes when a message reaches which step, in every Python process that starts with this folder on its PYTHONPATH.

Nothing of Flower or of the study is changed on disk: a few functions are wrapped as their modules are imported. Each
note is a line of JSON with the begin and the end of a call, by the clock and by the process's own CPU time, written in
one piece to the file that TESSERA_PROBE names. All processes of a machine share its clock.
"""

import json
import os
import sys
import time
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any

_FILE = os.open(os.environ["TESSERA_PROBE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def now() -> tuple[float, float]:
    """The clock, and the CPU seconds that this process has used."""
    return time.time(), time.process_time()


def note(step: str, began: tuple[float, float], **known: Any) -> None:
    """Write that a step of this process began then and has ended now."""
    ended = now()
    line = {
        "step": step,
        "began": began[0],
        "ended": ended[0],
        "cpu": [began[1], ended[1]],
        "pid": os.getpid(),
        **known,
    }
    os.write(_FILE, json.dumps(line).encode() + b"\n")


def spanned(owner: Any, name: str, step: str, known: Any = lambda found, *args: {}) -> None:
    """Note every call of this function; `known` gives what to say of it, from its result and arguments, or None."""
    inner = getattr(owner, name)

    def noted(*args: Any, **options: Any) -> Any:
        began = now()
        found = inner(*args, **options)
        said = known(found, *args)
        if said is not None:
            note(step, began, **said)
        return found

    setattr(owner, name, noted)


def _grid(module: Any) -> None:
    """The coordinator's side: messages go out."""

    def sent(found: Any, grid: Any, messages: Any) -> dict[str, Any]:
        del found, grid
        keys = [(own.message_id, own.dst_node_id, own.message_type) for own in (one.metadata for one in messages)]
        return {"messages": [dict(zip(("message", "node", "type"), key, strict=True)) for key in keys]}

    spanned(module.HttpGrid, "push_messages", "push", sent)


def _objects(module: Any) -> None:
    """Fetching the objects of a message, by whomever: also when the requests were under way that brought one.

    Between them one waits for an object that has been announced, but is not there yet.
    """
    inner = module.pull_objects

    def pull_objects(object_ids: list[str], pull_object_fn: Any, **options: Any) -> dict[str, bytes]:
        began, moving = now(), []

        def timed(object_id: str) -> bytes:
            asked = time.time()
            content = pull_object_fn(object_id)  # raises where the object is not there yet
            moving.append((asked, time.time()))
            return content

        found = inner(object_ids, timed, **options)
        note("fetch", began, reply=object_ids[-1] if object_ids else "", moving=moving)
        return found

    module.pull_objects = pull_objects


def _replies(module: Any) -> None:
    """The same of a reply's pieces at the coordinator, which looks for those that are missing again and again."""
    grid, under_way = module.WholeReplies, dict[str, tuple[tuple[float, float], list[tuple[float, float]]]]()
    take, finish = grid._piece, grid._finish

    def taken(self: Any, reply: Any, piece: str) -> Any:
        _, moving = under_way.setdefault(reply.announced.metadata.message_id, (now(), []))
        asked = time.time()
        answer = take(self, reply, piece)
        if answer.object_content:
            moving.append((asked, time.time()))
        return answer

    def finished(self: Any, asked: str, reply: Any) -> None:
        finish(self, asked, reply)
        reply_id = reply.announced.metadata.message_id
        began, moving = under_way.pop(reply_id)
        note("fetch", began, reply=reply_id, moving=moving)

    grid._piece, grid._finish = taken, finished


def _fleet(module: Any) -> None:
    """A SuperNode and the SuperLink: a message is announced, all of it is here, its reply is announced."""

    def announced(found: Any, client: Any, request: Any) -> dict[str, str] | None:
        del client, request
        return {"message": found.messages_list[0].metadata.message_id} if found.messages_list else None

    def replied(found: Any, client: Any, request: Any) -> dict[str, str]:
        del found, client
        return {"message": request.messages_list[0].metadata.reply_to_message_id}

    client = module.FleetHttpClient
    spanned(client, "PullMessages", "announced", announced)
    spanned(client, "ConfirmMessageReceived", "here", lambda found, client, own: {"message": own.message_object_id})
    spanned(client, "PushMessages", "send", replied)
    spanned(client, "PushObject", "send object")


def _program(module: Any) -> None:
    """A task's program: it fetches its message from the SuperNode, and hands the reply over."""
    from flwr.supercore.task_identity import TaskIdentity

    def fetched(found: Any, client: Any) -> dict[str, Any]:
        del client
        return {"message": found[0].metadata.message_id, "task": TaskIdentity.task_id}

    def handed(found: Any, client: Any, reply: Any, context: Any) -> dict[str, str]:
        del found, client, context
        return {"message": reply.metadata.reply_to_message_id, "reply": reply.metadata.message_id}

    spanned(module, "pull_task_input", "input", fetched)
    spanned(module, "push_message", "reply", handed)


_MODULES = {
    "flwr.supercore.inflatable.inflatable_utils": _objects,
    "flwr.superlink.grid.http_grid": _grid,
    "strategies.flower.replies": _replies,
    "flwr.supernode.fleet_http_client": _fleet,
    "flwr.supernode.start_client_internal": lambda module: spanned(module, "_push_messages", "sent"),
    "flwr.supercore.superexec.executor.subprocess_executor": lambda module: spanned(
        module.SubprocessExecutor, "launch", "launch", lambda found, executor, spec: {"task": spec.task_id}
    ),
    "flwr.supernode.runtime.run_clientapp": _program,
    "flwr.clientapp.client_app": lambda module: spanned(module.ClientApp, "__call__", "call"),
    "client.study.rounds": lambda module: spanned(module, "train_part", "train"),
}


class Watch(MetaPathFinder):
    """Wraps the functions of a module as soon as it has been imported, before others take them from it."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """The usual one; its loader does a little more for the modules above."""
        del target
        wrap = _MODULES.get(name)
        spec = PathFinder.find_spec(name, path) if wrap else None
        loader: Any = spec.loader if spec else None
        if wrap is None or loader is None:
            return None
        execute = loader.exec_module

        def exec_module(module: Any) -> None:
            execute(module)
            wrap(module)

        loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, Watch())
os.register_at_fork(after_in_child=lambda: note("begins", now()))
note("begins", now())
