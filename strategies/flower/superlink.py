"""Flower's SuperLink, in which a site's key speaks for that site alone, and no request of a site surprises it.

Flower holds a node's key against the request, not against the messages inside, and its check is not public: it is
`authenticate_node` of the fleet's router. So a registered site could reply in another's name, or send work to another
in the server's, if it learnt two ids that are never sent to it. Here it cannot. What its handlers do not expect of a
registered site (no message where one is due, a run that nobody knows) they answer with 500, as if the fault were here.

And where the database is locked for five seconds, as by a disk that stalls, Flower answers 500: a site gives its reply
up, for which the round then waits in vain, and the SuperExec ends, without which no run begins. A piece that is sent
again, because the first answer did not arrive, costs a reply too. Here one waits longer, a request that found the
database locked to the end is tried again by whoever made it, and a piece that is there is taken as stored. A SuperExec
that ends all the same ends the SuperLink, and is heard of.
"""

import sqlite3
import ssl
import sys
from collections.abc import Awaitable, Callable
from functools import partial, wraps
from itertools import islice
from typing import Any

import uvicorn
from cryptography.exceptions import UnsupportedAlgorithm
from fastapi import HTTPException, Request, Response
from flwr.proto.fleet_pb2 import PushMessagesRequest
from flwr.proto.message_pb2 import PushObjectRequest, PushObjectResponse
from flwr.supercore import sql_mixin
from flwr.supercore.constant import SQLITE_PRAGMAS
from flwr.supercore.inflatable.inflatable_object import iterate_object_tree
from flwr.superlink import main
from flwr.superlink.cli import flower_superlink
from flwr.superlink.routers.fleet import node_auth
from flwr.superlink.servicer.fleet import fleet_handlers
from sqlalchemy.exc import OperationalError

from strategies.flower.pace.whole import take_requests_whole
from strategies.flower.processes import with_vital_children

authenticate_node = node_auth.authenticate_node
"""Flower's own check, of the key against the request's node."""
HANDLERS = (
    *("activate_node", "deactivate_node", "send_node_heartbeat", "pull_messages", "push_messages", "get_run"),
    *("get_fab", "push_object", "pull_object", "confirm_message_received"),
)
"""By which the fleet's router answers the routes that the gateway passes."""
PRAGMAS = (*SQLITE_PRAGMAS, ("busy_timeout", "20000"))
"""How Flower opens its database, with more patience (ms), but less than the 30 s that its programs have."""
_PROGRAM = "flwr.superlink.cli.flower_superlink"
"""The module of that name: the package has the function under it."""
MOST_PIECES = 5_000
"""Of a reply: 20 GB of what a site of ours sends in pieces of 4 MiB."""


def authenticate(request: Request) -> None:
    """Flower's check; then every pushed message must be the reply of the node whose key signed the request.

    Raises:
        HTTPException: 401 as Flower has it, 403 for a message in another's name, 400 for what is not one reply.
    """
    try:
        authenticate_node(request)
    except (AttributeError, UnsupportedAlgorithm) as error:  # a key of a kind that Flower does not foresee
        raise HTTPException(401, "Invalid SuperNode authentication") from error
    asked = request.state.protobuf_request
    if isinstance(asked, PushMessagesRequest):
        for message in asked.messages_list:
            if message.metadata.src_node_id != asked.node.node_id or not message.metadata.reply_to_message_id:
                raise HTTPException(403, "A node sends replies of its own only")
        _refuse_all_but_one_reply(asked)


def _refuse_all_but_one_reply(asked: PushMessagesRequest) -> None:
    if len(asked.messages_list) != 1 or len(asked.message_object_trees) != 1:
        raise HTTPException(400, "One reply, with its pieces, is due")
    pieces = iterate_object_tree(asked.message_object_trees[0])
    if next(islice(pieces, MOST_PIECES, None), None) is not None:
        raise HTTPException(400, f"A reply has at most {MOST_PIECES} pieces")


def refusing(handler: Callable[..., Any]) -> Callable[..., Any]:
    """The handler, which answers 400 where a request makes it stumble; what fails otherwise is still a 500."""

    @wraps(handler)
    def handled(*arguments: Any, **named: Any) -> Any:
        try:
            return handler(*arguments, **named)
        except (LookupError, TypeError, ValueError) as error:
            raise HTTPException(400, "This request makes no sense") from error

    return handled


def patient(translate: Callable[..., Awaitable[Response]]) -> Callable[..., Awaitable[Response]]:
    """Flower's translation of what fails into answers, in which a database that stays locked is 503: one asks again."""

    async def translated(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        async def answer(request: Request) -> Response:
            try:
                return await call_next(request)
            except OperationalError as error:
                if getattr(error.orig, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
                    raise HTTPException(503, "The database is locked") from error
                raise

        return await translate(request, answer)

    return translated


def storing_again(push_object: Callable[..., PushObjectResponse]) -> Callable[..., PushObjectResponse]:
    """Flower's handler of a piece, which has not stored what it stored before; the site would give up its reply."""

    @wraps(push_object)
    def pushed(request: PushObjectRequest, state: Any) -> PushObjectResponse:
        answer = push_object(request=request, state=state)
        if not answer.stored and request.object_content:
            answer.stored = state.object_store.get(request.object_id) == request.object_content
        return answer

    return pushed


def run_superlink(context_of: Callable[..., ssl.SSLContext]) -> None:
    """What the command flower-superlink does, with the checks above in their places.

    Flower reads the certificate once; `context_of`, as uvicorn's `ssl_context_factory`, may do better.
    """
    node_auth.authenticate_node = authenticate
    states: Any = sql_mixin  # its own names of what they imported
    states.SQLITE_PRAGMAS = PRAGMAS
    application: Any = main
    application.http_error_translator = patient(application.http_error_translator)
    fleet_handlers.push_object = storing_again(fleet_handlers.push_object)
    for name in HANDLERS:
        setattr(fleet_handlers, name, refusing(getattr(fleet_handlers, name)))
    program: Any = sys.modules[_PROGRAM]
    program.subprocess = with_vital_children()
    take_requests_whole()
    uvicorn.run = partial(uvicorn.run, ssl_context_factory=context_of)
    flower_superlink()
