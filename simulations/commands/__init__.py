"""The commands of `tessera-simulate`, one family a file."""
