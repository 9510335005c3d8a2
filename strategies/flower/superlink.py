"""Flower's SuperLink, in which a site's key speaks for that site alone.

Flower holds a node's key against the request, not against the messages inside, and its check is not public: it is
`authenticate_node` of the fleet's router. So a registered site could reply in another's name, or send work to another
in the server's, if it learnt two ids that are never sent to it. Here it cannot.
"""

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


def run_superlink() -> None:
    """What the command flower-superlink does, with the check above in place of Flower's."""
    node_auth.authenticate_node = authenticate
    flower_superlink()
