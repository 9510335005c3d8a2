"""How often one looks for a piece of a message that was announced and has not arrived yet.

Flower waits 1 s, 2 s, 4 s and so on, and a message is announced before its pieces are there, at each of the three
places that it passes: most of a short round. The waits are arguments of its `pull_objects` and
`pull_and_inflate_object_from_tree`, which are not public and which its own programs call without them.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

_FIRST_S, _LONGEST_S = 0.05, 1.0


def looking_often(pull: Callable[..., Any]) -> Callable[..., Any]:
    """Such a function with short waits; Flower's limit on the whole time, two hours, stays."""
    return partial(pull, initial_backoff=_FIRST_S, backoff_cap=_LONGEST_S, max_tries_per_object=None)
