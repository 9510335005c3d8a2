"""`tessera-simulate tcga` with modalities taken from sites: at one rate, or at several on the same folds."""

from pathlib import Path

import pytest

from tests.simulations.commands.test_tcga_command import folds_in, simulate, write_tables


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tables(tmp_path_factory.mktemp("data"), 125, 1, "AABBBCDE")


def test_whole_sites_can_be_held_out_and_modalities_be_missing(data: Path, tmp_path: Path) -> None:
    groups = tmp_path / "groups.csv"
    groups.write_text("code,site\nA1,north\nB1,south\nC1,east\nD1,east\nE1,east\n", encoding="utf-8")
    grouped = [f"sites_by={groups}", "--cv", "sites", "--missing-rate", "0.34", "workers=1"]
    results = simulate("--data", str(data), "--out", str(tmp_path / "out"), *grouped)
    assert set(results["site_by_class"]) == {"north", "south", "east"}
    assert results["arms"]["federated"]["cnv"]["n"] == 120  # test cases keep everything
    traffic = results["bytes"]
    held = {(site, name) for site in traffic for name in traffic[site] if name in ("cnv", "hif")}
    assert 0 < len(held) < 6


@pytest.mark.slow
def test_a_list_of_missing_rates_runs_each_on_the_same_folds(data: Path, tmp_path: Path) -> None:
    arguments = ["--data", str(data), "--out", str(tmp_path), "workers=1", "--missing-rate", "0,.4"]
    results = simulate(*arguments, "min_site=15")
    assert results["missing_rates"]["rates"] == [0.0, 0.4]
    folds = [folds_in(tmp_path / name) for name in results["runs"]]
    assert folds[0].equals(folds[1])
    assert '<section id="missing-rates">' in (tmp_path / "report.html").read_text(encoding="utf-8")
