"""A site's folder is moved away in mid-study, as a disk that is not mounted any more: its reply is lost, no more."""

import pytest
from flwr.app import Message

from tests.forked import forked
from tests.support import (
    WatchedGrid,
    agree,
    loses_what_was_missing,
    run_small,
    same_study,
    site_number,
    small_federation,
    write_sites,
)

FEDERATION = small_federation(fusion__rounds=2)
HOLDINGS, N_CASES = [("cnv", "hif")] * 3, [23, 19, 17]


@pytest.mark.slow
def test_a_site_whose_folder_is_gone_for_a_while_misses_a_round_of_branches_and_none_of_the_fusion_head(tmp_path):
    """The folder is away for one request of each kind; nothing is made in its place, so it can come back."""
    root = write_sites(tmp_path / "sites", FEDERATION, HOLDINGS, N_CASES)
    for name in ("site_1", "site_2", "site_3"):
        agree(root, name, FEDERATION)
    here, gone, done = root / "site_3", tmp_path / "gone", []

    def moves(message: Message) -> None:
        if gone.is_dir():
            assert not here.exists()
            gone.rename(here)
        asked = message.metadata.message_type
        if site_number(message) == 3 and asked in ("train.branches", "train.fusion") and asked not in done:
            done.append(asked)
            here.rename(gone)

    with forked(root, moves) as grid:
        study = run_small(root, FEDERATION, grid)
        log = grid.inner.log.read_text()
    assert done == ["train.branches", "train.fusion"]
    failed = "the site reported a failure; its own log says more"
    assert [note.text for note in study.notes if note.site == "site_3"] == [failed] * 2
    assert study.missing.rounds == {"site_3": {"cnv": [1], "hif": [1]}}
    assert f"{here}/.tessera/node.key: no such key; {here} is not there either: is its disk mounted?" in log
    lost = WatchedGrid(root, 3, loses=loses_what_was_missing(study.missing.rounds))
    assert same_study(study, run_small(root, FEDERATION, lost))
