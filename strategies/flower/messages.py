"""Messages outside a Flower task: a grid of one process, and tests, make them as Flower's own processes do.

Not public: the identity that Flower takes a message's run and sender from is a class attribute that its programs set
when a task starts; a message has no id before Flower's grid gave it one; and the codes of its errors are numbers.
"""

from uuid import uuid4

from flwr.app import Message
from flwr.common.constant import ErrorCode
from flwr.supercore.task_identity import TaskIdentity

CLIENT_FAILED: int = ErrorCode.CLIENT_APP_RAISED_EXCEPTION
"""What a ClientApp that raised an exception answers with."""


def be_server(run_id: int, node_id: int = 1) -> None:
    """Messages that this process makes from now on are the server's, of this run."""
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = run_id, node_id, 1


def give_id(message: Message) -> str:
    """An id for a message that no grid of Flower's sends; its reply names it."""
    message.metadata.__dict__["_message_id"] = str(uuid4())
    return message.metadata.message_id
