"""Pretrained networks as a site loads them: which file, what is wrong with it, whose digest it has."""

import hashlib
import importlib
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from modalities.core.contract import SlideSettings, Source
from modalities.slides.backbones import backbone_of
from modalities.slides.backbones import pretrained as module
from modalities.slides.backbones.importing import import_timm
from modalities.slides.backbones.places import weights_file
from modalities.slides.backbones.pretrained import pretrained
from modalities.slides.config import SlidesConfig
from modalities.slides.reading.reading import open_slide
from tests.modalities.slides.backbones.networks import needs_timm, random_network, tiles_of
from tests.slides import glass, read_slides, with_tissue, write_slide

pytestmark = needs_timm
RESNET18 = SlidesConfig(backbone="resnet18")


@pytest.fixture(scope="module")
def resnet18(tmp_path_factory):
    """A site's folder of weights."""
    folder = tmp_path_factory.mktemp("weights")
    save_file(random_network("resnet18").state_dict(), folder / "resnet18.safetensors")
    return folder


def test_dinov2_file_as_it_is_published_for_518_pixels_is_fitted_to_224(tmp_path):
    published = random_network("vit_small_patch14_dinov2")
    save_file(published.state_dict(), tmp_path / "dinov2.safetensors")
    features = backbone_of(SlidesConfig(backbone="dinov2"), str(tmp_path)).encode(tiles_of(256), [])
    assert features.shape == (3, 384)
    assert np.isfinite(features).all()


def test_row_does_not_depend_on_the_other_tiles(resnet18):
    found = backbone_of(SlidesConfig(backbone="resnet18"), str(resnet18))
    tiles = tiles_of(256, 5)
    assert np.allclose(found.encode(tiles[1:2], [])[0], found.encode(tiles, [])[1], atol=1e-4)


@pytest.mark.parametrize(
    ("asked", "device", "halves"), [("auto", "cuda", True), ("cpu", "cpu", False), ("cuda:1", "cuda:1", True)]
)
def test_network_goes_where_the_site_asks_for(resnet18, monkeypatch, asked, device, halves):
    """As far as a machine without a GPU can see it: up to where the network would be moved there."""
    placed = []
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(module, "Runner", lambda encoder, network, device, halves: placed.append((device, halves)))
    pretrained("resnet18", resnet18, asked)
    assert placed == [(torch.device(device), halves)]


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


def refusal(folder, backbone="resnet18"):
    """What the only line of the only problem says."""
    with pytest.raises(ValueError, match=r"^\S+, backbone \w+: ") as caught:
        backbone_of(SlidesConfig(backbone=backbone), str(folder))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"conv1.weight": None}, "1 of its 100 tensors are not there (conv1.weight); take"),
        (
            {"bn1.bias": None, "bn1.beta": torch.zeros(64)},
            "1 of its 100 tensors are not there (bn1.bias); 1 are not its own (bn1.beta); take",
        ),
        (
            {"conv1.weight": torch.zeros(5, 3, 7, 7)},
            "1 are of another shape (conv1.weight is (5, 3, 7, 7), not (64, 3, 7, 7)); take",
        ),
        ({"layer5.0.conv1.weight": torch.zeros(3)}, "1 are not its own (layer5.0.conv1.weight); take"),
    ],
    ids=["a tensor less", "a tensor renamed", "another shape", "a tensor more"],
)
def test_file_that_is_not_the_network_is_refused_with_the_tensors_that_differ(tmp_path, resnet18, change, said):
    weights = random_network("resnet18").state_dict() | change
    save_file({name: held for name, held in weights.items() if held is not None}, tmp_path / "resnet18.safetensors")
    text = refusal(tmp_path)
    assert text.startswith("resnet18.safetensors, backbone resnet18: is not this network: ")
    assert said in text


def test_weights_of_another_network_are_refused_with_a_few_of_the_many_that_differ(tmp_path):
    save_file(random_network("resnet34").state_dict(), tmp_path / "resnet18.safetensors")
    text = refusal(tmp_path)
    assert "are not its own (layer1.2.bn1.bias, " in text
    assert len(text) < 900


class Calls:
    """What a pickle may hide: reading it calls a function."""

    def __reduce__(self):
        return print, ("it was run",)


def test_pickle_that_holds_more_than_tensors_is_not_read(tmp_path, capsys):
    torch.save({"conv1.weight": torch.zeros(3), "more": Calls()}, tmp_path / "resnet18.bin")
    assert "is a pickle that holds more than tensors" in refusal(tmp_path)
    (tmp_path / "resnet18.bin").write_bytes(pickle.dumps(Calls(), protocol=2))
    assert "is a pickle that holds more than tensors" in refusal(tmp_path)
    assert "it was run" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "wrap", [dict, lambda weights: {"model": weights}, lambda weights: {"state_dict": weights, "epoch": 7}]
)
@pytest.mark.parametrize("ending", [".bin", ".pth"])
def test_pytorchs_own_files_are_read_as_well(tmp_path, resnet18, wrap, ending):
    torch.save(wrap(random_network("resnet18").state_dict()), tmp_path / f"resnet18{ending}")
    given, wanted = (backbone_of(RESNET18, str(folder)).encode(tiles_of(256, 1), []) for folder in (tmp_path, resnet18))
    assert np.array_equal(given, wanted)


def test_file_whose_name_lies_is_refused_with_its_right_name(tmp_path):
    file = tmp_path / "resnet18.safetensors"
    torch.save(random_network("resnet18").state_dict(), file)
    assert "is no safetensors file but one that PyTorch saved; name it resnet18.bin" in refusal(tmp_path)
    file.write_text("no weights")
    assert "cannot be read (" in refusal(tmp_path)
    file.rename(tmp_path / "resnet18.bin")
    assert refusal(tmp_path).startswith("resnet18.bin, ")
    torch.save([torch.zeros(3)], tmp_path / "resnet18.bin")
    assert "holds list, not tensors by their names" in refusal(tmp_path)


def test_file_that_is_cut_off_is_refused(tmp_path, resnet18):
    whole = (resnet18 / "resnet18.safetensors").read_bytes()
    (tmp_path / "resnet18.safetensors").write_bytes(whole[: len(whole) // 2])
    assert "cannot be read (" in (text := refusal(tmp_path))
    assert text.endswith("copy or download it again")


def test_files_are_looked_for_in_a_fixed_order_and_also_as_a_hubs_client_lays_them(tmp_path):
    names = ["phikon/pytorch_model.bin", "phikon/model.safetensors", "phikon.pth", "phikon.bin", "phikon.safetensors"]
    (tmp_path / "phikon").mkdir()
    for name in names:
        (tmp_path / name).touch()
        assert weights_file("phikon", tmp_path) == tmp_path / name
    assert weights_file("phikon_v2", tmp_path) is None
    assert weights_file("phikon", None) is None


def test_half_precision_is_read_as_single(tmp_path, resnet18):
    halves = {
        name: held.half() if held.is_floating_point() else held
        for name, held in random_network("resnet18").state_dict().items()
    }
    save_file(halves, tmp_path / "resnet18.safetensors")
    given, wanted = (backbone_of(RESNET18, str(folder)).encode(tiles_of(256, 1), []) for folder in (tmp_path, resnet18))
    assert np.allclose(given, wanted, rtol=0.05, atol=0.05 * wanted.std())


def test_network_of_timm_without_a_row_is_as_timm_describes_it(tmp_path):
    network = random_network("mobilenetv3_small_050")
    save_file(network.state_dict(), tmp_path / "mobilenetv3_small_050.safetensors")
    tiles = tiles_of(256, 2)
    given = backbone_of(SlidesConfig(backbone="mobilenetv3_small_050"), str(tmp_path)).encode(tiles, [])
    config = network.pretrained_cfg
    mean, std = (torch.tensor(config[key]).view(1, 3, 1, 1) * 255 for key in ("mean", "std"))
    with torch.inference_mode():  # 256 pixels around 224
        pixels = torch.from_numpy(np.stack(tiles)[:, 16:240, 16:240]).permute(0, 3, 1, 2).float()
        wanted = network((pixels - mean) / std).numpy()
    assert np.allclose(given, wanted, rtol=1e-4, atol=1e-4 * wanted.std())


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


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "uni",
            r"backbone uni: its weights are handed out by their owner only .* ask at https://huggingface.co/MahmoodLab/UNI"
            r", then put uni\.safetensors into the folder `slides\.weights` of",
        ),
        (
            "kaiko_vits8",
            r"its owner has them on no hub .* fetch https://github.com/.*/vits8\.pth, then put kaiko_vits8\.safe",
        ),
        ("phikon", r"no weights here, and none from a hub \(.* they are on https://huggingface.co/owkin/phikon"),
        ("resnet34", r"no weights here, and none from a hub \("),
    ],
)
def test_where_there_are_no_weights_it_says_where_to_get_them(tmp_path, monkeypatch, name, said):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "empty"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "empty"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match=said):
        backbone_of(SlidesConfig(backbone=name), str(tmp_path))


@pytest.mark.parametrize("name", ["resnet81", "local-dir:resnet18", "hf-hub:someone/model", "../resnet18"])
def test_only_names_that_timm_knows_are_taken_no_folder_and_no_address(tmp_path, name):
    with pytest.raises(ValueError, match=r"neither `stain` nor an encoder of the table \(resnet18, .* nor a model of"):
        backbone_of(SlidesConfig(backbone=name), str(tmp_path))


def test_name_that_was_misspelt_is_answered_with_the_one_that_was_meant(tmp_path):
    with pytest.raises(ValueError, match=r"did you mean virchow2\?"):
        backbone_of(SlidesConfig(backbone="virchov2"), str(tmp_path))
