"""The bill of materials is CycloneDX as its own schema has it, and the same bytes every time."""

import csv
import io
import json

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from modalities.core.supply.__main__ import main
from modalities.core.supply.bill import bill_of, licences_of
from modalities.core.supply.packages import installed, wheels
from tests.modalities.core.supply.test_packages import make_wheel


def test_the_bill_of_what_is_installed_is_valid_and_names_every_package():
    bill = bill_of(installed())
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill.decode()) is None
    named = {entry["purl"] for entry in json.loads(bill)["components"]}
    assert named == {f"pkg:pypi/{package.name}@{package.version}" for package in installed()}
    assert bill == bill_of(installed())


def test_a_schema_sees_a_bill_that_is_wrong():
    bill = bill_of(installed()).replace(b'"library"', b'"book"')
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill.decode()) is not None


def test_a_folder_of_wheels_gets_both_lists(tmp_path):
    make_wheel(tmp_path, "two", about="License: says, in words\n")
    make_wheel(tmp_path, "one")
    make_wheel(tmp_path, "three", about="")
    main(tmp_path, tmp_path)
    packages = wheels(tmp_path.glob("*.whl"))
    assert (tmp_path / "sbom.cdx.json").read_bytes() == bill_of(packages)
    assert (tmp_path / "licences.csv").read_bytes() == licences_of(packages)
    rows = list(csv.reader(io.StringIO((tmp_path / "licences.csv").read_text())))
    assert rows == [
        ["package", "version", "licence"],
        ["one", "1.0", "MIT"],
        ["three", "1.0", "not said"],
        ["two", "1.0", "says, in words"],
    ]
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill_of(packages).decode()) is None
