"""What a person should know of a study besides its numbers."""

from typing import NamedTuple

REFUSED, WARNING, INFO = "refused", "warning", "info"


class Note(NamedTuple):
    """Something that happened, in words that name no case and quote no exception."""

    level: str
    """`refused`: something that a site sent was not used; `warning`: the study waits or goes on with less; `info`."""
    site: str
    """`*` for the study as a whole."""
    part: str
    """`*` for all of it."""
    text: str
