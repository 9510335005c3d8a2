"""Flower's SuperLink, in which a site's key speaks for that site alone.

Flower holds a node's key against the request, not against the messages inside, and its check is not public: it is
`authenticate_node` of the fleet's router. So a registered site could reply in another's name, or send work to another
in the server's, if it learnt two ids that are never sent to it. Here it cannot.
"""

import ssl
from collections.abc import Callable
from functools import partial

import uvicorn
from fastapi import HTTPException, Request
from flwr.proto.fleet_pb2 import PushMessagesRequest
from flwr.superlink.cli import flower_superlink
from flwr.superlink.routers.fleet import node_auth

authenticate_node = node_auth.authenticate_node
"""Flower's own check, of the key against the request's node."""


def authenticate(request: Request) -> None:
    """Flower's check; then every pushed message must be the reply of the node whose key signed the request.

    Raises:
        HTTPException: 401 as Flower has it, or 403 for a message in another's name.
    """
    authenticate_node(request)
    asked = request.state.protobuf_request
    if isinstance(asked, PushMessagesRequest):
        for message in asked.messages_list:
            if message.metadata.src_node_id != asked.node.node_id or not message.metadata.reply_to_message_id:
                raise HTTPException(403, "A node sends replies of its own only")


def run_superlink(context_of: Callable[..., ssl.SSLContext]) -> None:
    """What the command flower-superlink does, with the check above in place of Flower's.

    Flower reads the certificate once; `context_of`, as uvicorn's `ssl_context_factory`, may do better.
    """
    node_auth.authenticate_node = authenticate
    uvicorn.run = partial(uvicorn.run, ssl_context_factory=context_of)
    flower_superlink()
