"""Records of bytes that are made once and never changed, as Flower's messages carry them."""

from flwr.app import ConfigRecord


class Block(ConfigRecord):
    """A ConfigRecord of `bytes` that remembers how it is written.

    Before Flower sends a record it writes it out and hashes it four or five times, for it might have been changed in
    between: a third of a site's task where the model is big.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__({"bytes": content})
        self.__dict__["_written"] = None

    def deflate(self) -> bytes:
        """What is sent, header included; made at the first call."""
        if self.__dict__["_written"] is None:
            self.__dict__["_written"] = super().deflate()
        return self.__dict__["_written"]

    @property
    def is_dirty(self) -> bool:
        """Never: so its id, the hash of what is sent, is computed once."""
        return False


Block.__qualname__ = ConfigRecord.__qualname__  # goes into the header, and names the class that reads it
