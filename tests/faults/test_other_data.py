"""A site comes back in mid-study with other data in its folder: its cases and folds stay those of when the study began.

So out-of-fold stays out-of-fold. A folder of other patients, as of another hospital, takes no part any more.
"""

import shutil

import pytest

from client.app import app
from client.node.complaints import complaints_of
from client.node.home import Home
from client.node.keys import make_node_key
from client.study import session
from modalities.core.site import store
from simulations.engines.inline import InlineGrid
from tests.faults.test_files_that_are_wrong import HOLDINGS, N_CASES
from tests.support import (
    FIRST_NODE,
    WatchedGrid,
    agree,
    loses_what_was_missing,
    run_small,
    same_study,
    small_federation,
    write_sites,
)

FEDERATION = small_federation(fusion__rounds=2)
SITES = ("site_1", "site_2", "site_3")
CHANGED = "cases.csv was changed since this study began, which goes on with the 12 cases and folds of then"


def sites(folder, federation=FEDERATION):
    """Three sites as in a deployment."""
    write_sites(folder, federation, HOLDINGS, N_CASES)
    for name in SITES:
        agree(folder, name, federation)
        home = Home(folder / name)
        make_node_key(home.key, home.public_key, name)
    return folder


@pytest.fixture
def root(tmp_path):
    return sites(tmp_path / "sites")


@pytest.fixture
def whole(tmp_path):
    """The study whose sites stay as they are."""
    return run_small(write_sites(tmp_path / "whole", FEDERATION, HOLDINGS, N_CASES), FEDERATION)


def other_list(site):
    """Half of the cases gone, classes swapped, and the rest of them in another order."""
    header, *rows = (site / "cases.csv").read_text().splitlines()
    (site / "cases.csv").write_text("\n".join([header, *reversed(rows[:9])]).replace("LumA", "Her2") + "\n")


def other_patients(site):
    """Everything but what says who the site is: as its key in another hospital's folder."""
    with_theirs = write_sites(site.parent.parent / "others", FEDERATION, [("cnv", "hif")] * 4, [11, 11, 11, 19])
    for name in ("cases.csv", "cnv", "hif"):
        here, there = site / name, with_theirs / "site_4" / name
        shutil.rmtree(here) if here.is_dir() else here.unlink()
        there.rename(here)


class RealGrid(WatchedGrid):
    """Sites that keep things on their disks, as in a deployment."""

    def __init__(self, root, **watched):
        super().__init__(root, len(SITES), **watched)
        self.inner = InlineGrid(app, len(SITES), {})
        for number, name in enumerate(SITES):
            self.inner._contexts[FIRST_NODE + number].node_config["site"] = str(root / name)
        forget()


def forget():
    """What a process knows that begins anew."""
    store._kept.clear()
    session._opened.cache_clear()


def n_trained(grid):
    return sum(asked.metadata.message_type == "train.branches" for asked in grid.asked)


def restarted_after_round_1(root, change):
    """The study in which the third site dies after the first round, and finds other data when it is back."""
    seen = []

    def away(grid):
        if seen or n_trained(grid) < len(SITES):
            return ()
        seen.append(change(root / SITES[-1]))
        forget()
        return (len(SITES),)

    study = run_small(root, FEDERATION, RealGrid(root, away=away))
    assert seen
    return study


def complaints(root):
    return complaints_of(Home(root / SITES[-1]))


def test_a_site_that_was_restarted_with_another_case_list_goes_on_with_the_cases_and_folds_of_then(root, tmp_path):
    study = restarted_after_round_1(root, other_list)
    assert study.missing.rounds == {SITES[-1]: {"cnv": [2], "hif": [2]}}, "it was not there for one round"
    lost = RealGrid(sites(tmp_path / "apart"), loses=loses_what_was_missing(study.missing.rounds))
    assert same_study(study, run_small(tmp_path / "apart", FEDERATION, lost))
    assert complaints(root) == [CHANGED]


def test_a_resumed_study_goes_on_with_the_cases_and_folds_that_it_began_with(root, whole, tmp_path):
    def cut(event):
        if event["phase"] == "branches":
            raise InterruptedError("a power cut")

    checkpoint = tmp_path / "checkpoint.safetensors"
    with pytest.raises(InterruptedError, match="a power cut"):
        run_small(root, FEDERATION, RealGrid(root), checkpoint=checkpoint, report=cut)
    other_list(root / SITES[-1])
    assert same_study(run_small(root, FEDERATION, RealGrid(root), checkpoint=checkpoint), whole)
    assert complaints(root) == [CHANGED]
    anew = run_small(root, FEDERATION, RealGrid(root))
    assert anew.cohorts[SITES[-1]] == {"cnv": 6, "hif": 5}, "the next study begins with the list as it is"


def test_a_key_that_comes_back_with_other_patients_takes_no_part_any_more(root, tmp_path):
    study = restarted_after_round_1(root, other_patients)
    (said,) = complaints(root)
    assert "12 cases that this study began with are gone from cases.csv or from the files; put them back" in said
    notes = [note.text for note in study.notes if note.site == SITES[-1]]
    assert set(notes[1:]) == {"the site reported a failure; its own log says more"}, notes
    assert study.missing.rounds[SITES[-1]].items() >= {"cnv": [2], "hif": [2]}.items()
    apart = sites(tmp_path / "apart")
    lost = RealGrid(apart, away=lambda grid: (len(SITES),) if n_trained(grid) >= len(SITES) else ())
    assert same_study(study, run_small(apart, FEDERATION, lost, wait=0.0))
