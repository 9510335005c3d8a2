"""`tessera-server roster`: the list of enrolled sites that the sites approve, and what hand-out says of it."""

import pytest
from typer.testing import CliRunner

from client.node.keys import make_node_key
from modalities.core.keyfiles import line_fingerprint
from server.cli import app
from server.coordinator.folder import enrol_site, init_study, revoke_site
from strategies.masking.roster import Roster, key_digest, load_roster, rosters_in
from strategies.settings import load_federation

SITES = ("nordheim", "st_anna", "stolp", "late")


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "400"})


@pytest.fixture
def keys(tmp_path):
    for site in (*SITES, "second"):
        make_node_key(tmp_path / f"{site}.key", tmp_path / f"{site}.pub", site)
    return {site: tmp_path / f"{site}.pub" for site in (*SITES, "second")}


@pytest.fixture
def study(tmp_path, keys):
    """Three sites are enrolled; the settings are those that `init` writes."""
    study = init_study(tmp_path / "brca", ["localhost"])
    (study.folder / "genes.json").write_text('["A", "B"]')
    for site in SITES[:3]:
        enrol_site(study, site, keys[site])
    return study


def test_the_roster_has_every_enrolled_site_and_is_read_out_with_its_digest(study, keys):
    found = run("roster", study.folder)
    assert found.exit_code == 0
    made = load_roster(study.roster)
    assert made == Roster({site: key_digest(keys[site].read_bytes()) for site in SITES[:3]}, "brca")
    lines = [f"  {site}: {line_fingerprint(keys[site].read_text())}" for site in SITES[:3]]
    assert found.output.splitlines() == [
        f"{study.roster}: 3 sites, by the fingerprints of their keys:",
        *lines,
        f"read out over the telephone: roster.yaml: 3 sites, digest {made.digest}",
        f"then: tessera-server hand-out {study.folder}",
    ]


def test_a_roster_that_changes_says_who_joined_left_or_has_another_key(study, keys):
    run("roster", study.folder)
    before = load_roster(study.roster)
    written = study.roster.stat().st_mtime_ns
    assert "new roster" not in run("roster", study.folder).output
    assert study.roster.stat().st_mtime_ns == written
    enrol_site(study, "late", keys["late"])
    revoke_site(study, "stolp")
    revoke_site(study, "nordheim")
    enrol_site(study, "nordheim", keys["second"])
    found = run("roster", study.folder)
    assert found.output.splitlines()[4:8] == [
        "joined: late",
        "left: stolp",
        "another key: nordheim",
        "this is a new roster: every site approves it anew; the one before goes on until enough sites have",
    ]
    assert load_roster(study.roster).digest != before.digest


def test_every_roster_that_a_study_had_is_kept_in_order(study, keys):
    run("roster", study.folder)
    first = load_roster(study.roster)
    run("roster", study.folder)  # nothing changed
    enrol_site(study, "late", keys["late"])
    run("roster", study.folder)
    second = load_roster(study.roster)
    assert first != second
    kept = {path.name: load_roster(path) for path in study.rosters.iterdir()}
    assert kept == {"0001.yaml": first, "0002.yaml": second}
    assert rosters_in(study.rosters) == [second, first]


def test_a_folder_that_was_moved_keeps_its_roster(study, tmp_path):
    run("roster", study.folder)
    digest = load_roster(study.roster).digest
    moved = study.folder.rename(tmp_path / "elsewhere")
    assert "new roster" not in run("roster", moved).output
    assert load_roster(moved / "roster.yaml").digest == digest


def test_without_a_study_or_a_site_there_is_no_roster(tmp_path):
    found = run("roster", tmp_path)
    assert (found.exit_code, "no coordinator.yaml" in found.output) == (1, True)
    study = init_study(tmp_path / "empty", ["localhost"])
    found = run("roster", study.folder)
    assert (found.exit_code, "no site is enrolled; enrol every site first" in found.output) == (1, True)
    assert not study.roster.exists()


def test_a_roster_that_somebody_spoilt_is_not_written_over(study):
    study.roster.write_text("sites: {a: b}")
    for command in ("roster", "hand-out"):
        found = run(command, study.folder)
        assert found.exit_code == 1
        assert "roster.yaml, sites.a: must be 64 hexadecimal digits" in found.output
        assert f"move it away, and make it anew: tessera-server roster {study.folder}" in found.output
    assert study.roster.read_text() == "sites: {a: b}"
    assert run("revoke", study.folder, "stolp").exit_code == 0


def test_hand_out_carries_the_roster_and_reads_its_digest_out(study):
    run("roster", study.folder)
    found = run("hand-out", study.folder)
    assert found.exit_code == 0
    made = load_roster(study.for_sites / "roster.yaml")
    assert f"  roster.yaml: 3 sites, digest {made.digest}\n" in found.output
    assert "warning" not in found.output


def test_settings_are_handed_out_before_there_is_a_roster_and_it_says_so(tmp_path):
    study = init_study(tmp_path / "brca", ["localhost"])
    (study.folder / "genes.json").write_text('["A", "B"]')
    found = run("hand-out", study.folder)
    assert found.exit_code == 0
    assert not (study.for_sites / "roster.yaml").exists()
    assert "warning: no roster yet, and without one no site takes part in masked sums" in found.output
    assert f"once every site is enrolled: tessera-server roster {study.folder}, then hand out again" in found.output


def test_a_roster_of_other_sites_than_those_enrolled_is_handed_out_with_a_warning(study, keys):
    run("roster", study.folder)
    old = load_roster(study.roster)
    found = run("enrol", study.folder, "late", "--key", keys["late"])
    said = f"{study.roster} is not of the sites enrolled now (joined: late): tessera-server roster {study.folder}\n"
    assert said in found.output
    found = run("hand-out", study.folder)
    assert "warning: roster.yaml is not of the sites enrolled now (joined: late); tessera-server roster" in found.output
    assert load_roster(study.for_sites / "roster.yaml") == old
    for site in SITES:
        found = run("revoke", study.folder, site)
    assert "is not of the sites enrolled now (left: nordheim, st_anna, stolp)" in found.output


def test_fewer_sites_than_a_sum_is_opened_of_are_warned_of(study):
    study.federation.write_text(
        study.federation.read_text().replace("required", "required\n  coordinator_holds_data: true")
    )
    run("roster", study.folder)
    found = run("hand-out", study.folder)
    assert "warning: roster.yaml has 3 sites, and a sum is opened of 4 or more: enrol more sites" in found.output


def test_without_masks_nobody_asks_for_a_roster(study, keys):
    study.federation.write_text(study.federation.read_text().replace("masking: required", "masking: off"))
    assert "roster" not in run("hand-out", study.folder).output
    assert "roster" not in run("enrol", study.folder, "late", "--key", keys["late"]).output


def test_the_settings_that_init_writes_ask_for_masks(study):
    assert load_federation(study.federation).privacy.is_masked
