"""Asks the package index which of the pinned packages have a known weakness; exit code 1 if one has.

Where no such database can be had (an air-gapped machine, a mirror without one), it says so.
"""

import json
import subprocess
import sys
from pathlib import Path

PINS = Path(__file__).parents[1] / "constraints.txt"
AUDIT = ("--no-deps", "--disable-pip", "--progress-spinner", "off", "--timeout", "15", "--format", "json")


def main() -> int:
    """Run pip-audit over constraints.txt and say what it found: its own exit code is 1 without a network, too."""
    program = Path(sys.executable).with_name("pip-audit")
    done = subprocess.run([program, "--requirement", PINS, *AUDIT], capture_output=True, text=True, check=False)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        tell(f"known weaknesses: no database can be had here, nothing was looked at ({last})")
        return 0
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    weak = [
        f"{package['name']} {package['version']}: {found['id']}, mended in {', '.join(found['fix_versions']) or 'none'}"
        for package in packages
        for found in package.get("vulns", ())
    ]
    looked_at = len(packages) - len(unknown)
    tell(f"known weaknesses: {len(weak)} in the {looked_at} of {len(packages)} packages that were looked at", *weak)
    if unknown:
        tell(f"not in the database: {', '.join(unknown) if looked_at else 'any; there is none here'}")
    return int(bool(weak))


def tell(*lines: str) -> None:
    """Print these lines."""
    sys.stdout.writelines(f"{line}\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
