"""`tessera-simulate sites`: folders that a site's own check accepts under the settings made with them."""

from typer.testing import CliRunner

from client.check.checkup import check_everything
from simulations.cli import app


def sites(*arguments):
    return CliRunner().invoke(app, ["sites", *map(str, arguments)], env={"COLUMNS": "300"})


def test_sites_hold_unlike_things_and_pass_the_check_under_the_settings_beside_them(tmp_path):
    found = sites("north", "south", "west", "--out", tmp_path, "--cases", 20, "--rounds", 2)
    assert found.exit_code == 0
    assert "north: 14 cases, cnv, clinical, hif" in found.output
    held = {}
    for name in ("north", "south", "west"):
        report = check_everything(tmp_path / name, tmp_path / "federation.yaml", offline=True)
        assert (report.site, report.ok) == (name, True)
        held[name] = [kind for kind, one in report.modalities.items() if one.takes_part]
    assert held == {"north": ["cnv", "clinical", "hif"], "south": ["hif"], "west": ["clinical", "hif"]}
    before = (tmp_path / "north" / "cases.csv").read_bytes()
    again = sites("north", "east", "--out", tmp_path)
    assert again.exit_code == 1
    assert f"{tmp_path / 'north'}, {tmp_path / 'federation.yaml'}: there already" in again.output
    assert (tmp_path / "north" / "cases.csv").read_bytes() == before


def test_one_site_or_the_same_twice_is_no_study(tmp_path):
    for names in (["a"], ["a", "a"]):
        found = sites(*names, "--out", tmp_path / "out")
        assert found.exit_code == 1
        assert f"give two names or more, each once, got {', '.join(names)}" in found.output
    assert "up to 40 letters" in sites("a", "../b", "--out", tmp_path / "out").output
