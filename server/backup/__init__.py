"""A study in one file: `tessera-server backup` and `restore`."""
