import math

import numpy as np
import pytest
import torch

from modalities import wsi_image
from modalities.core.blocks.branch import build_branch
from modalities.wsi_image import poolings
from modalities.wsi_image.network import Bags, pooling_named
from modalities.wsi_image.poolings import POOLINGS
from tests.modalities.wsi import as_cases, config_of

SIZES = (3, 1, 5)


def made(n_features=4, **settings):
    """A branch whose head is not zero, its state, and the bags of three cases."""
    config, rng = config_of("wsi_image", **settings), np.random.default_rng(2)
    cases = as_cases([rng.normal(0, 2, (size, n_features)).astype(np.float32) for size in SIZES])
    state = wsi_image.finalise(wsi_image.sums(cases, config), config)
    branch = build_branch(config, state, 3, seed=5).eval()
    torch.nn.init.normal_(branch.head.weight)
    torch.nn.init.normal_(branch.head.bias)
    return branch, wsi_image.prepare(cases, state, config)


def tile_logits(branch, tiles):
    return branch.head(branch.encoder.tile(tiles))


def test_a_case_counts_as_one_in_the_statistics_however_many_tiles_it_has():
    config = config_of("wsi_image")
    cases = as_cases([np.array([[1.0], [3.0]]), np.array([[8.0]])])
    sums = wsi_image.sums(cases, config)
    assert {name: array.tolist() for name, array in sums.items()} == {
        "cases": [2.0],
        "n": [2.0],
        "sum": [10.0],  # 2 + 8
        "square": [69.0],  # (1 + 9) / 2 + 64
    }
    state = wsi_image.finalise(sums, config)
    assert state["mean"].tolist() == [5.0]
    assert state["inverse_scale"][0] == pytest.approx(1 / math.sqrt(69 / 2 - 25))


def test_poolings_are_what_they_are_called():
    for pooling in ("feature_mean", "mean_logits", "mean_probabilities", "majority"):
        branch, prepared = made(pooling=pooling, hidden=[] if pooling == "feature_mean" else [6])
        logits = branch(wsi_image.collate(prepared, torch.tensor([2, 0])))[1]
        tiles = prepared[2] if isinstance(prepared, list) else prepared[2][None]
        each = tile_logits(branch, tiles)
        votes = torch.bincount(each.argmax(dim=1), minlength=3)
        expected = {
            "feature_mean": each.mean(dim=0),
            "mean_logits": each.mean(dim=0),
            "mean_probabilities": each.softmax(dim=1).mean(dim=0).log(),
            "majority": ((votes + 1 / 3) / (SIZES[2] + 1)).log(),
        }[pooling]
        assert torch.allclose(logits[0], expected, atol=1e-5), pooling


def test_feature_mean_of_the_scaled_tiles_is_prepared_once():
    prepared = made(pooling="feature_mean")[1]
    bags = made(pooling="mean_logits")[1]
    assert prepared.shape == (3, 4)
    for row, bag in enumerate(bags):
        assert torch.allclose(prepared[row], bag.mean(dim=0), atol=1e-6)


def test_gated_attention_is_the_formula_of_ilse():
    """a_k ~ exp(w (tanh(V h_k) * sigmoid(U h_k))), z = sum a_k h_k."""
    branch, prepared = made(pooling="attention", attention_width=3)
    encoder, tiles = branch.encoder, prepared[2]
    scores = encoder.score(torch.tanh(encoder.content(tiles)) * torch.sigmoid(encoder.gate(tiles)))
    expected = (scores.softmax(dim=0) * tiles).sum(dim=0)
    assert torch.allclose(branch(wsi_image.collate(prepared, torch.tensor([0, 2])))[0][1], expected, atol=1e-5)


def test_dsmil_is_the_formula_of_li():
    """Tiles weigh softmax(q_k q_m), m the one that says the class loudest; the logit is the mean of both streams."""
    branch, prepared = made(pooling="dsmil", attention_width=3, hidden=[6])
    tiles, head = branch.encoder.tile(prepared[2]), branch.head
    query, expected, embeddings = branch.encoder.query(tiles).tanh(), [], []
    for label in range(3):
        loudest = max(range(SIZES[2]), key=lambda tile: head(tiles[tile])[label].item())
        scores = torch.stack([query[tile] @ query[loudest] for tile in range(SIZES[2])]) / math.sqrt(3)
        weighted = scores.softmax(dim=0) @ tiles
        expected.append((head(weighted)[label] + head(tiles[loudest])[label]) / 2)
        embeddings.append((weighted + tiles[loudest]) / 2)
    embedding, logits = branch(wsi_image.collate(prepared, torch.tensor([0, 2])))
    assert torch.allclose(logits[1], torch.stack(expected), atol=1e-5)
    assert torch.allclose(embedding[1], torch.stack(embeddings).mean(dim=0), atol=1e-5)


def test_a_pooling_is_one_file(tmp_path, monkeypatch):
    """Here one of which the first tile is all, and one that forgot its class."""
    monkeypatch.setattr(poolings, "__path__", [str(tmp_path)])
    (tmp_path / "first_tile.py").write_text(
        "from modalities.wsi_image.network import TileEncoder\n"
        "class Encoder(TileEncoder):\n"
        "    def shares(self, embedded, bags):\n"
        "        return (bags.case.diff(prepend=bags.case[:1] - 1) > 0).to(embedded.dtype)\n"
    )
    (tmp_path / "empty.py").touch()
    encoder, tiles = pooling_named("first_tile")(4, config_of("wsi_image")), torch.randn(3, 4)
    assert torch.equal(encoder(Bags.of(tiles, [2, 1])), tiles[[0, 2]])
    with pytest.raises(TypeError, match=r"poolings/empty\.py: must define Encoder, derived from TileEncoder"):
        pooling_named("empty")


def test_tile_wise_loss_is_the_mean_over_cases_of_the_mean_over_tiles():
    branch, prepared = made(pooling="majority", hidden=[6])
    labels = torch.tensor([2, 0])
    loss = branch.loss(wsi_image.collate(prepared, torch.tensor([0, 2])), labels)
    each = [
        torch.nn.functional.cross_entropy(tile_logits(branch, prepared[row]), labels[place].expand(SIZES[row]))
        for place, row in enumerate((0, 2))
    ]
    assert loss.item() == pytest.approx(torch.stack(each).mean().item(), rel=1e-5)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_loss_reaches_every_weight(pooling):
    branch, prepared = made(pooling=pooling, hidden=[6])
    branch.train().loss(wsi_image.collate(prepared, torch.tensor([0, 1, 2])), torch.tensor([2, 0, 1])).backward()
    for name, weights in branch.named_parameters():
        assert weights.grad is not None, name
        assert bool(weights.grad.any()), name


@pytest.mark.parametrize(
    ("pooling", "hidden"),
    [("feature_mean", []), *((pooling, [6]) for pooling in POOLINGS if pooling != "feature_mean")],
)
def test_contributions_of_tiles_add_up_to_what_they_say(pooling, hidden):
    branch, _ = made(pooling=pooling, hidden=hidden)
    tiles = torch.randn(9, 4, generator=torch.Generator().manual_seed(1))
    if pooling == "mean_probabilities":
        whole = tile_logits(branch, tiles).softmax(dim=1).mean(dim=0)
    elif pooling == "majority":
        whole = torch.bincount(tile_logits(branch, tiles).argmax(dim=1), minlength=3) / 9
    else:
        prepared = tiles.mean(dim=0)[None] if pooling == "feature_mean" else [tiles]
        whole = branch(wsi_image.collate(prepared, torch.tensor([0])))[1][0] - branch.head.bias
    for label in range(3):
        found = branch.encoder.contributions(tiles, branch.head, label)
        assert found.sum().item() == pytest.approx(whole[label].item(), abs=1e-5)


def test_contribution_to_a_network_over_the_mean_is_what_the_logit_loses_without_the_tile():
    branch, _ = made(pooling="feature_mean", hidden=[6])
    tiles = torch.randn(5, 4, generator=torch.Generator().manual_seed(1))
    found = branch.encoder.contributions(tiles, branch.head, 1)

    def logit(rows):
        return tile_logits(branch, rows.mean(dim=0)[None])[0, 1]

    expected = [logit(tiles) - logit(torch.cat([tiles[:row], tiles[row + 1 :]])) for row in range(5)]
    assert torch.allclose(found, torch.stack(expected), atol=1e-5)


def test_tiles_of_another_backbone_are_refused():
    config = config_of("wsi_image")
    state = {"mean": np.zeros(4), "inverse_scale": np.ones(4)}
    with pytest.raises(ValueError, match="7 features where the other cases of the study have 4; use the backbone"):
        wsi_image.prepare(as_cases([np.zeros((2, 7))]), state, config)


def test_paper_preset_has_the_papers_numbers():
    """Arxiv 2509.03408: the 50 most tissue-rich tiles, more than 5 % tissue, saturation 20 after a median of 7."""
    config = config_of("wsi_image", preset="paper")
    slides = config.slides
    assert (slides.n_tiles, slides.min_tissue, slides.saturation, slides.median_px) == (50, 0.05, 20, 7)
    assert slides.backbone.startswith("inception_v3")
    assert slides.tile_px == 342
    assert config.pooling == "majority"


def test_settings_out_of_range_are_all_named():
    with pytest.raises(ValueError, match=r"(?s)pooling: must be .*'max'.*\.clip: must be above 0, got 0.0"):
        config_of("wsi_image", pooling="max", clip=0.0)
