"""The bundle that `flwr run` makes of a folder. Only its command line is public, which writes a file and asks first."""

from pathlib import Path


def build(folder: Path) -> bytes:
    """The packed bundle; a second of imports, which commands that never call this need not wait for."""
    from flwr.cli.build import build_fab_from_disk

    return build_fab_from_disk(folder)
