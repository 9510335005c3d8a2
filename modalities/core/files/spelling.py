"""When two cells of a table hold the same word."""

import unicodedata


def cleaned(text: str) -> str:
    """The word without what a reader does not see: capitals, spaces around it or repeated, an accent put on apart."""
    return " ".join(unicodedata.normalize("NFC", text).split()).casefold()
