"""A bill of materials: the packages of an installation or of a wheelhouse, for those who must know what runs.

It holds no time, no serial number and no version of Tessera itself (model.json of a release says that): the same
packages give the same bytes.

Source: CycloneDX 1.6, https://cyclonedx.org/docs/1.6/json/
"""

import csv
import io
import json
from collections.abc import Sequence

from modalities.core.supply.packages import PROGRAM, Package

BILL, LICENCES = "sbom.cdx.json", "licences.csv"
"""File names beside a release and in a wheelhouse."""


def bill_of(packages: Sequence[Package]) -> bytes:
    """The packages in CycloneDX's JSON."""
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": PROGRAM, "bom-ref": PROGRAM}},
        "components": [_component(package) for package in packages],
    }
    return json.dumps(bill, indent=2).encode() + b"\n"


def licences_of(packages: Sequence[Package]) -> bytes:
    """Name, version and licence of each package, as CSV."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("package", "version", "licence"))
    rows.writerows((package.name, package.version, package.licence or "not said") for package in packages)
    return text.getvalue().encode()


def _component(package: Package) -> dict[str, object]:
    url = f"pkg:pypi/{package.name}@{package.version}"
    component: dict[str, object] = {
        "type": "library",
        "name": package.name,
        "version": package.version,
        "bom-ref": url,
        "purl": url,
    }
    if package.licence_expression:
        component["licenses"] = [{"expression": package.licence_expression}]
    elif package.licence:
        component["licenses"] = [{"license": {"name": package.licence}}]
    if package.digest:
        component["properties"] = [{"name": f"{PROGRAM}:files-sha256", "value": package.digest}]
    return component
