"""Real slides of two scanners, from the file to features, graph and heatmap; the networks are not trained."""

import cv2
import numpy as np
import pytest
import torch

from client.use.heatmap import geojson, heatmap
from modalities.core.blocks.branch import build_branch
from modalities.core.contract import SlideSettings, Source
from modalities.core.registry import plugin
from modalities.core.settings.federation import federation_from

SLIDES = ("cmu-1-small-region.svs", "tcga-cr-7395-01a-01-ts1.svs")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["wsi_image", "wsi_graph"])
def test_real_slides_become_features_a_graph_and_a_heatmap(kind, tcga_data, tmp_path):
    folder = tmp_path / "slides"
    folder.mkdir()
    for name in SLIDES:
        (folder / name).symlink_to(tcga_data / "slides" / name)
    source = Source((folder,), slides=SlideSettings(default_mpp=0.25, cache=str(tmp_path / "cache")))
    settings = {"n_tiles": 40, "min_sharpness": 0.0}
    config = federation_from({"modalities": {kind: {"slides": settings}}}).modalities[kind]
    module = plugin(kind)
    cases = module.read(source, config)
    assert set(cases.case_ids) == {"cmu-1-small-region", "TCGA-CR-7395"}
    state = module.finalise(module.sums(cases, config), config)
    branch = build_branch(config, state, 4, seed=1)
    torch.nn.init.normal_(branch.head.weight, generator=torch.Generator().manual_seed(0))
    for case_id in cases.case_ids:
        shown, (found,) = module.explain(source, config, state, branch, case_id, None)
        assert len(geojson(found, "LumA")["features"]) == len(found.slide.tiles) > 20
        sides = np.ptp(geojson(found, "A")["features"][0]["geometry"]["coordinates"][0], axis=0)
        assert abs(sides * found.slide.tiles.mpp - 128).max() < 1, "tiles of 128 micrometres whatever the scanner"
        picture = cv2.imdecode(np.frombuffer(heatmap(found, "LumA", source), dtype=np.uint8), cv2.IMREAD_COLOR)
        assert max(picture.shape) > 1000
        assert 0 <= shown < 4
        (tmp_path / f"{kind}-{case_id}.png").write_bytes(heatmap(found, "LumA", source))
