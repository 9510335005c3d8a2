"""What the parts of a site that answer a message tell its audit log: under what, and hidden among whom, a reply leaves.

Anything below the ClientApp may tell; outside of a real site's messages, as in a simulation, nobody listens.
"""

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from client.node.approval import CODE

_told: ContextVar[dict[str, Any] | None] = ContextVar("tessera_audit_facts", default=None)


@contextmanager
def gathered() -> Iterator[dict[str, Any]]:
    """What is told in the block, as fields of an entry."""
    facts: dict[str, Any] = {"code": os.environ[CODE]} if CODE in os.environ else {}
    before = _told.set(facts)
    try:
        yield facts
    finally:
        _told.reset(before)


def tell(
    *,
    study: str = "",
    agreed: bool = False,
    coordinator: str = "",
    roster: str = "",
    group: str = "",
    members: Collection[str] = (),
    plain_sha256: str = "",
    epsilon: float = 0.0,
) -> None:
    """Facts for the entry of the message that is being answered; may be called again, once a group for instance.

    `study` and `roster` are digests, `agreed` says that the site keeps to settings of its own copy, `coordinator` is
    whom the reply goes to. `group` is what `members`, the sites by name, send together under masks, and `plain_sha256`
    the digest of what this site put into it. `epsilon` is what this reply spends, and adds up.
    """
    facts = _told.get()
    if facts is None:
        return
    of_the_message = {"study": study, "agreed": agreed, "coordinator": coordinator, "roster": roster}
    facts |= {name: value for name, value in of_the_message.items() if value}
    if group:
        hidden = {"group": group, "members": sorted(members)}
        facts.setdefault("groups", []).append(hidden | ({"plain_sha256": plain_sha256} if plain_sha256 else {}))
        facts["smallest_group"] = min(len(each["members"]) for each in facts["groups"])
    elif plain_sha256:
        facts["plain_sha256"] = plain_sha256
    if epsilon:
        facts["epsilon"] = facts.get("epsilon", 0.0) + epsilon
