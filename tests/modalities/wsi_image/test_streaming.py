"""A branch over bags that stay on the disk is the one over bags in memory, up to what float16 rounds."""

import numpy as np
import pandas as pd
import pytest
import torch

from modalities import wsi_image
from modalities.core.blocks.branch import build_branch
from modalities.core.blocks.streamed import ScaledRows
from modalities.core.contract import Source
from modalities.core.files.rows import RowsOfFile
from modalities.core.settings.federation import federation_from
from modalities.core.settings.site import Policy, write_site
from modalities.core.site.shelf import Shelf
from modalities.core.site.store import SiteData
from modalities.slides import stored
from tests.modalities.wsi import config_of, write_trident

N_CASES = 6
ALL_TILES = {"slides": {"n_tiles": 0}}


@pytest.fixture
def site(tmp_path):
    """A site of six cases, of which all train."""
    rng, case_ids = np.random.default_rng(0), [f"case-{number}" for number in range(N_CASES)]
    source = Source((write_trident(tmp_path / "site" / "features", case_ids, [0, 1] * 3, rng),))
    cases = pd.DataFrame({"case_id": case_ids, "label": ["A", "B"] * 3, "split": "train"})
    write_site(tmp_path / "site", "site", cases, {"wsi_image": source}, Policy(min_cohort=0, min_cell=0))
    return tmp_path / "site", source


def federation(**settings):
    image = {**ALL_TILES, **settings}
    return federation_from(
        {"task": {"classes": ["A", "B"]}, "fusion": {"fit": "none"}, "modalities": {"wsi_image": image}}
    )


@pytest.fixture
def streamed(monkeypatch):
    """Have even the smallest site leave its features on the disk."""
    return lambda: monkeypatch.setattr(stored, "IN_MEMORY_BYTES", 0)


@pytest.mark.parametrize("pooling", ["feature_mean", "attention", "majority"])
def test_everything_made_of_bags_on_the_disk_is_what_memory_gives(site, streamed, pooling):
    config = config_of("wsi_image", pooling=pooling, **ALL_TILES)
    memory = wsi_image.read(site[1], config)
    streamed()
    disk = wsi_image.read(site[1], config)
    assert {type(bag) for bag in disk.values} == {stored.StoredTiles}
    assert (disk.case_ids, disk.notes) == (memory.case_ids, memory.notes)
    state, of_disk = (wsi_image.finalise(wsi_image.sums(cases, config), config) for cases in (memory, disk))
    for name, own in state.items():
        assert own == pytest.approx(of_disk[name], abs=1e-3)
    assert wsi_image.vectors(disk) == pytest.approx(wsi_image.vectors(memory), abs=1e-3)
    branch, rows = build_branch(config, state, 2, seed=5).eval(), torch.tensor([4, 0, 5])
    torch.nn.init.normal_(branch.head.weight)
    said = [branch(wsi_image.collate(wsi_image.prepare(cases, state, config), rows)) for cases in (memory, disk)]
    for own, other in zip(*said, strict=True):
        assert torch.allclose(own, other, atol=2e-3)


def test_a_few_cases_of_both_kinds_make_one_batch(site, streamed):
    config = config_of("wsi_image", pooling="attention", **ALL_TILES)
    memory = wsi_image.read(site[1], config)
    state = wsi_image.finalise(wsi_image.sums(memory, config), config)
    streamed()
    prepared = [
        *wsi_image.prepare(memory, state, config),
        *wsi_image.prepare(wsi_image.read(site[1], config), state, config),
    ]
    batch = wsi_image.collate(prepared, torch.tensor([0, N_CASES]))
    first, second = batch.tiles.split(len(batch.tiles) // 2)
    assert torch.allclose(first, second, atol=2e-3)
    assert batch.case.tolist() == [0] * len(first) + [1] * len(second)


def test_the_shelf_holds_the_rows_as_halves_which_need_no_feature_file_any_more(site, streamed, tmp_path):
    streamed()
    folder, settings, rows = site[0], federation(pooling="attention"), torch.arange(N_CASES)
    plain = SiteData(folder, settings)
    config = settings.modalities["wsi_image"]
    state = wsi_image.finalise(wsi_image.sums(plain.values("wsi_image"), config), config)
    expected = plain.training("wsi_image", state)
    kept = SiteData(folder, settings, plain.roll, Shelf(tmp_path / "shelf"))
    kept.values("wsi_image")
    (read,) = (tmp_path / "shelf").iterdir()
    assert read.stat().st_size < 10_000  # where they lie, not the features
    kept.training("wsi_image", state)
    (path,) = (tmp_path / "shelf").iterdir()
    assert path.name.startswith("wsi_image.prepared.")
    assert path.stat().st_mode & 0o777 == 0o600
    again = SiteData(folder, settings, plain.roll, Shelf(tmp_path / "shelf")).training("wsi_image", state)
    assert all(isinstance(bag, ScaledRows) and isinstance(bag.rows, RowsOfFile) for bag in again.prepared)
    assert len({id(bag.scale.mean) for bag in again.prepared}) == 1
    batch = expected.batch(rows)
    for file in (folder / "features").iterdir():
        file.write_bytes(b"")
    assert torch.equal(again.batch(rows).tiles, batch.tiles)


def test_a_shelf_without_room_costs_the_time_to_read_the_features_again(site, streamed, tmp_path, caplog):
    streamed()
    settings = federation(pooling="attention")
    state = {"mean": np.zeros(7), "inverse_scale": np.ones(7)}
    full = SiteData(site[0], settings, shelf=Shelf(tmp_path / "shelf", least_free=2**62))
    plain = SiteData(site[0], settings)
    batches = [data.training("wsi_image", state).batch(torch.tensor([3, 1])) for data in (full, plain)]
    assert torch.equal(batches[0].tiles, batches[1].tiles)
    assert "GB are free; make room on this disk" in caplog.text
    assert not [path for path in (tmp_path / "shelf").iterdir() if path.is_file()]


def test_features_that_change_while_they_are_copied_leave_nothing_on_the_shelf(site, streamed, tmp_path):
    streamed()
    data = SiteData(site[0], federation(pooling="attention"), shelf=Shelf(tmp_path / "shelf"))
    data.values("wsi_image")
    (site[0] / "features" / "case-3.h5").unlink()
    with pytest.raises(ValueError, match=r"case-3\.h5: the feature file is gone since the study first read it"):
        data.training("wsi_image", {"mean": np.zeros(7), "inverse_scale": np.ones(7)})
    assert [path.name.split(".")[1] for path in (tmp_path / "shelf").iterdir()] == ["read"]
