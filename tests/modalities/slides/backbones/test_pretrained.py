"""Networks of timm as backbones, with weights from a file, where timm is installed."""

import hashlib
import importlib.util
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from modalities.core.contract import SlideSettings, Source
from modalities.slides.backbones import Backbone, backbone_of
from modalities.slides.backbones.importing import import_timm
from modalities.slides.backbones.pretrained import KNOWN
from modalities.slides.config import SlidesConfig
from modalities.slides.reading.reading import open_slide
from modalities.slides.reading.source import read_slides
from tests.slides import glass, with_tissue, write_slide

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("timm") is None,
    reason="timm is not installed: run `pip install -c constraints.txt '.[backbones]'`",
)
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
UNI = {"init_values": 1e-5, "dynamic_img_size": True}
HALF = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)


def random_network(model, **options):
    """As timm builds it, but no layer is switched off: some begin with a scale of 0 or 1e-5."""
    torch.manual_seed(7)
    network = import_timm().create_model(model, num_classes=0, **options)
    with torch.no_grad():
        for weights in network.parameters():
            if weights.ndim == 1:
                weights.uniform_(0.5, 1.5)
    return network.eval()


def tiles_of(side_px, n=3):
    rng = np.random.default_rng(side_px)
    coarse = rng.integers(0, 256, (n, 9, 9, 3), dtype=np.uint8)
    return [cv2.resize(tile, (side_px, side_px), interpolation=cv2.INTER_CUBIC) for tile in coarse]


@pytest.fixture(scope="module")
def resnet18(tmp_path_factory):
    """A site's folder of weights."""
    folder = tmp_path_factory.mktemp("weights")
    save_file(random_network("resnet18").state_dict(), folder / "resnet18.safetensors")
    return folder


@pytest.mark.parametrize(
    ("name", "model", "options", "resized_px", "crop", "scale", "n_features"),
    [
        ("resnet18", "resnet18", {}, 256, slice(16, 240), IMAGENET, 512),
        ("resnet50", "resnet50", {}, 256, slice(16, 240), IMAGENET, 2048),
        pytest.param("vgg16", "vgg16", {}, 256, slice(16, 240), IMAGENET, 4096, marks=pytest.mark.slow),
        ("inception_v3", "inception_v3", {}, 342, slice(22, 321), HALF, 2048),
        ("dinov2", "vit_small_patch14_dinov2", {"img_size": 224}, 256, slice(16, 240), IMAGENET, 384),
        pytest.param("uni", "vit_large_patch16_224", UNI, 224, slice(None), IMAGENET, 1024, marks=pytest.mark.slow),
    ],
)
def test_network_is_exactly_that_of_the_file_and_sees_the_tile_as_it_was_trained_to(
    tmp_path, name, model, options, resized_px, crop, scale, n_features
):
    network = random_network(model, **options)
    save_file(network.state_dict(), tmp_path / f"{name}.safetensors")
    found = backbone_of(SlidesConfig(backbone=name), str(tmp_path))
    assert isinstance(found, Backbone)
    tiles = tiles_of(resized_px)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) * 255 for values in scale)
    pixels = torch.from_numpy(np.stack(tiles)[:, crop, crop]).permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        expected = network.to(memory_format=torch.channels_last)((pixels - mean) / std).numpy()
    features = found.encode(tiles, [])
    assert features.shape == (3, n_features)
    if not torch.cuda.is_available():  # a GPU calculates in bfloat16
        assert np.array_equal(features, expected)
    assert np.allclose(features, expected, rtol=0.05, atol=0.05 * expected.std())
    assert np.abs(features[0] - features[1]).max() > 0.01 * expected.std()


def test_a_network_of_unis_kind_takes_no_loader_of_another_format(tmp_path, monkeypatch):
    """ViT-Ti/16, which has the same `.npz` loader in timm as uni's ViT-L/16, at a fiftieth of its size."""
    small = replace(KNOWN["uni"], timm="vit_tiny_patch16_224")
    monkeypatch.setitem(KNOWN, "uni", small)
    network = random_network(small.timm, **small.options)
    assert network.pretrained_cfg["custom_load"]
    save_file(network.state_dict(), tmp_path / "uni.safetensors")
    tiles = tiles_of(224)
    features = backbone_of(SlidesConfig(backbone="uni"), str(tmp_path)).encode(tiles, [])
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) * 255 for values in IMAGENET)
    with torch.inference_mode():
        expected = network((torch.from_numpy(np.stack(tiles)).permute(0, 3, 1, 2).float() - mean) / std).numpy()
    assert np.allclose(features, expected, rtol=0.05, atol=0.05 * expected.std())


def test_dinov2_file_as_it_is_published_for_518_pixels_is_fitted_to_224(tmp_path):
    published = random_network("vit_small_patch14_dinov2")
    save_file(published.state_dict(), tmp_path / "dinov2.safetensors")
    features = backbone_of(SlidesConfig(backbone="dinov2"), str(tmp_path)).encode(tiles_of(256), [])
    assert features.shape == (3, 384)
    assert np.isfinite(features).all()


def test_tile_of_another_size_is_resized_first(resnet18):
    found = backbone_of(SlidesConfig(backbone="resnet18"), str(resnet18))
    tiles = tiles_of(256)
    doubled = [tile.repeat(2, axis=0).repeat(2, axis=1) for tile in tiles]
    assert np.array_equal(found.encode(doubled, []), found.encode(tiles, []))
    halved = found.encode([cv2.resize(tile, (128, 128), interpolation=cv2.INTER_AREA) for tile in tiles], [])
    assert halved.shape == (3, 512)


def test_row_does_not_depend_on_the_other_tiles(resnet18):
    found = backbone_of(SlidesConfig(backbone="resnet18"), str(resnet18))
    tiles = tiles_of(256, 5)
    assert np.allclose(found.encode(tiles[1:2], [])[0], found.encode(tiles, [])[1], atol=1e-4)


def test_digest_is_that_of_the_file_and_is_checked(resnet18):
    found = backbone_of(SlidesConfig(backbone="resnet18"), str(resnet18))
    digest = hashlib.sha256((resnet18 / "resnet18.safetensors").read_bytes()).hexdigest()
    assert found.digest == digest
    agreed = backbone_of(SlidesConfig(backbone="resnet18", weights_digest=digest), str(resnet18))
    assert (agreed.digest, agreed.licence) == (digest, "Apache-2.0")
    with pytest.raises(ValueError, match=r"the federation agreed on 00; copy the agreed file into the folder"):
        backbone_of(SlidesConfig(backbone="resnet18", weights_digest="00"), str(resnet18))


def test_classifier_in_the_file_is_left_out(tmp_path, resnet18):
    network = random_network("resnet18")
    whole = {**network.state_dict(), "fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}
    save_file(whole, tmp_path / "resnet18.safetensors")
    one, other = (backbone_of(SlidesConfig(backbone="resnet18"), str(folder)) for folder in (tmp_path, resnet18))
    assert np.array_equal(one.encode(tiles_of(256), []), other.encode(tiles_of(256), []))


def test_file_that_does_not_hold_the_network_is_refused_by_name(tmp_path):
    weights = random_network("resnet18").state_dict()
    config, file = SlidesConfig(backbone="resnet18"), tmp_path / "resnet18.safetensors"
    save_file({name: held for name, held in weights.items() if name != "conv1.weight"}, file)
    with pytest.raises(ValueError, match=r"backbone resnet18: .*resnet18\.safetensors.* \(conv1\.weight\)"):
        backbone_of(config, str(tmp_path))
    save_file({**weights, "conv1.weight": torch.zeros(5, 3, 7, 7)}, file)
    with pytest.raises(
        ValueError, match=r"its weights in resnet18\.safetensors cannot be loaded \(Error.* put resnet18"
    ):
        backbone_of(config, str(tmp_path))
    file.write_text("no weights")
    with pytest.raises(ValueError, match=r"its weights in resnet18\.safetensors cannot be loaded"):
        backbone_of(config, str(tmp_path))


def test_site_prepares_its_slides_with_its_own_weights(tmp_path, resnet18):
    pixels = with_tissue(glass(701, 1100), 130, 130, 500, 700)
    write_slide(tmp_path / "slides" / "S1.svs", pixels)
    source = Source((tmp_path / "slides",), slides=SlideSettings(cache=str(tmp_path / "cache"), weights=str(resnet18)))
    config = SlidesConfig(backbone="resnet18", n_tiles=3)
    (slide,) = read_slides(source, config)[0]["S1"]
    assert slide.tiles.features.shape == (3, 512)
    x, y = slide.tiles.coords[1]
    with open_slide(tmp_path / "slides" / "S1.svs") as opened:
        tile = opened.tile(int(x), int(y), 256, 256)
    again = backbone_of(config, str(resnet18)).encode([tile], [])
    assert np.allclose(slide.tiles.features[1], again[0], rtol=0.05, atol=0.01)


def test_operator_that_is_only_declared_is_an_error_when_it_is_called():
    import_timm()
    torchvision = importlib.import_module("torchvision")
    if torchvision.extension._has_ops():
        pytest.skip("this torchvision fits this torch")
    with pytest.raises(RuntimeError, match="load custom C\\+\\+ ops"):
        torchvision.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
    with pytest.raises(NotImplementedError, match="torchvision::nms"):
        torch.ops.torchvision.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)


def test_weights_that_an_owner_hands_out_are_not_looked_for_on_a_hub(tmp_path):
    with pytest.raises(ValueError, match=r"backbone uni: .* put uni\.safetensors into the folder `slides\.weights`"):
        backbone_of(SlidesConfig(backbone="uni"), str(tmp_path))


@pytest.mark.parametrize("name", ["resnet81", "local-dir:resnet18", "hf-hub:someone/model", "../resnet18"])
def test_only_names_that_timm_knows_are_taken_no_folder_and_no_address(tmp_path, name):
    with pytest.raises(ValueError, match=r"neither `stain` nor resnet18, .* nor a model of this timm"):
        backbone_of(SlidesConfig(backbone=name), str(tmp_path))
