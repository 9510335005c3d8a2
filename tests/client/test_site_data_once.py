"""Raw files are read once a study, though every message is a process of its own; later messages open no data."""

import os
import shutil
from collections import Counter

import pytest

from client.node.home import Home
from tests.client.sites import RealSite
from tests.forked import forked
from tests.support import HOLDINGS, KINDS, agree, run_small, same_study, site_number, small_federation, write_sites

FEDERATION = small_federation()
WITHOUT_DATA = ("train.branches", "evaluate.branches", "train.fusion", "query.calibration", "query.conformal")
READS = Counter((f"site_{n}", f"read {KINDS[name]}") for n, held in enumerate(HOLDINGS, start=1) for name in held)


@pytest.fixture(scope="module")
def inline(tmp_path_factory):
    """The study where each site's process goes on from message to message."""
    return run_small(write_sites(tmp_path_factory.mktemp("inline"), FEDERATION), FEDERATION)


@pytest.fixture(scope="module")
def run(inline, tmp_path_factory):
    """The study, and what its sites' processes did; after `inline`, so that they need not import what this one has."""
    root = write_sites(tmp_path_factory.mktemp("forked"), FEDERATION)
    return root, *study_of(root)


def study_of(root, before=lambda message: None):
    for folder in root.glob("*/"):
        agree(root, folder.name, FEDERATION)
    with forked(root, before) as grid:
        return run_small(root, FEDERATION, grid, timeout=60.0), grid


def reads(grid):
    return Counter((noted.site, noted.what) for noted in grid.inner.noted() if noted.what.startswith("read "))


def test_each_modality_is_read_once_a_study_which_gives_the_same_numbers(run, inline):
    _, study, grid = run
    assert study.refused == []
    assert same_study(study, inline)
    assert reads(grid) == READS


def test_no_message_after_the_setup_opens_a_file_of_data(run):
    grid = run[2]
    opened = {kind: {noted.what for noted in grid.inner.noted() if noted.message == kind} for kind in WITHOUT_DATA}
    assert {message.metadata.message_type for message in grid.asked} > set(WITHOUT_DATA)
    assert opened == {kind: {"site.yaml"} for kind in WITHOUT_DATA}


def test_what_was_prepared_is_one_file_a_modality_that_only_the_sites_user_can_read(run):
    folder = Home(run[0] / "site_1").prepared
    assert sorted(path.name.rpartition(".")[0] for path in folder.iterdir()) == ["cnv.prepared", "hif.prepared"]
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


@pytest.mark.parametrize(("takes_part", "kind"), [("train", "prepared"), ("evaluate", "tests")])
def test_the_setup_prepares_what_every_round_then_finds(tmp_path, takes_part, kind):
    """A site that only evaluates has no round: it keeps the cases that it will score."""
    root = write_sites(tmp_path, small_federation(), [("cnv", "hif")], [29])
    with (root / "site_1" / "site.yaml").open("a") as file:
        file.write(f"takes_part: {takes_part}\n")
    site = RealSite(root)
    assert not site.set_up().has_error()
    kept = sorted(path.name.rpartition(".")[0] for path in site.home.prepared.iterdir())
    assert kept == [f"cnv.{kind}", f"hif.{kind}"]


def test_files_that_change_in_mid_study_change_nothing_but_that_one_is_read_once_more(tmp_path, inline):
    """Site 1 touches its table; site 2 loses half its list and swaps labels; site 3 loses its table, once trained."""
    root = write_sites(tmp_path, FEDERATION)
    done = []

    def before(message):
        step = message.metadata.message_type, site_number(message)
        if step not in done:
            done.append(step)
            change = {("train.branches", 1): touched, ("query.setup", 2): halved, ("train.fusion", 3): lost}
            change.get(step, lambda site: None)(root / f"site_{step[1]}")

    study, grid = study_of(root, before)
    assert study.refused == []
    assert same_study(study, inline)
    assert reads(grid) == READS + Counter({("site_1", "read table"): 1})
    assert "cases.csv was changed since this study began, which goes on with the" in grid.inner.log.read_text()


def touched(site):
    os.utime(site / "hif" / "table.csv", (5, 5))


def halved(site):
    header, *rows = (site / "cases.csv").read_text().splitlines()
    (site / "cases.csv").write_text("\n".join([header, *rows[:9]]).replace("LumA", "Her2") + "\n")


def lost(site):
    shutil.rmtree(site / "hif")
