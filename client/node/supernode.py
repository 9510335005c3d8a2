"""The site's SuperNode: Flower's own, which keeps connection.json up to date.

Run as a program: python -m client.node.supernode SITE_FOLDER ARGUMENTS OF flower-supernode
"""

import sys
from pathlib import Path

from client.node.connection import ConnectionWriter, Reason, why_taken
from client.node.home import Home
from strategies.flower.processes import die_with_parent


def main() -> None:
    """Run it until it is told to end, or the connection cannot be had; connection.json then says why."""
    site, *arguments = sys.argv[1:]
    writer = ConnectionWriter(Home(Path(site)))
    if why_taken(int(arguments[arguments.index("--port") + 1])):
        writer.cannot_start(Reason.PORT_IN_USE)
        sys.exit(1)
    from strategies.flower.supernode import run_supernode  # seconds

    sys.argv = ["flower-supernode", *arguments]
    run_supernode(writer)


if __name__ == "__main__":
    die_with_parent()
    main()
