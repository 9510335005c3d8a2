"""Writes the bill of materials and the licences of a folder of wheels.

python -m modalities.core.supply WHEELS FOLDER
"""

import sys
from pathlib import Path

from modalities.core.supply.bill import BILL, LICENCES, bill_of, licences_of
from modalities.core.supply.packages import wheels


def main(folder: Path, into: Path) -> None:
    """Write both files of the wheels in `folder`."""
    packages = wheels(sorted(folder.glob("*.whl")))
    (into / BILL).write_bytes(bill_of(packages))
    (into / LICENCES).write_bytes(licences_of(packages))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
