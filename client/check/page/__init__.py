"""The page of `tessera-client check --html`: the same facts as in the terminal, with pictures."""
