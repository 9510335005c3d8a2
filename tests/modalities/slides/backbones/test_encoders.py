"""Every row of the table against timm itself, built as the encoder's model card says.

The cards' calls stand here once more, as their authors publish them, and not as the table has them.
"""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from modalities.slides.backbones import backbone_of, pretrained
from modalities.slides.backbones.importing import import_timm
from modalities.slides.backbones.networks import built
from modalities.slides.backbones.table import encoders
from modalities.slides.config import SlidesConfig
from tests.modalities.slides.backbones.networks import needs_timm, random_network, tiles_of

pytestmark = needs_timm
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
BIOPTIMUS = (0.707223, 0.578729, 0.703617), (0.211883, 0.230117, 0.177517)
HIBOU = (0.7068, 0.5755, 0.722), (0.195, 0.2316, 0.1816)
OPENAI = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
UNI2_H = {"patch_size": 14, "depth": 24, "num_heads": 24, "init_values": 1e-5, "embed_dim": 1536, "reg_tokens": 8}
UNI2_H |= {"img_size": 224, "mlp_ratio": 2.66667 * 2, "no_embed_class": True, "dynamic_img_size": True, "glu": True}
VIRCHOW = {"img_size": 224, "init_values": 1e-5, "mlp_ratio": 5.3375, "global_pool": "", "glu": True}
OPTIMUS = {"img_size": 224, "init_values": 1e-5, "dynamic_img_size": False, "global_pool": "token"}
GIGAPATH = {"img_size": 224, "patch_size": 16, "init_values": 1e-5, "mlp_ratio": 5.33334}
HIBOU_B, HIBOU_L = (
    {"img_size": 224, "mlp_ratio": hidden / width, "glu": True} for hidden, width in ((4096, 768), (5472, 1024))
)
CARDS = {  # name: model, options, (resized, cropped), (mean, deviation), features, features are pooled as
    "resnet18": ("resnet18", {}, (256, 224), IMAGENET, 512, "own"),
    "resnet50": ("resnet50", {}, (256, 224), IMAGENET, 2048, "own"),
    "vgg16": ("vgg16", {}, (256, 224), IMAGENET, 4096, "own"),
    "inception_v3": ("inception_v3", {}, (342, 299), HALF, 2048, "own"),
    "dinov2": ("vit_small_patch14_dinov2", {"img_size": 224}, (256, 224), IMAGENET, 384, "own"),
    "uni": (
        "vit_large_patch16_224",
        {"init_values": 1e-5, "dynamic_img_size": True},
        (224, 224),
        IMAGENET,
        1024,
        "own",
    ),
    "uni2_h": ("vit_giant_patch14_224", UNI2_H, (224, 224), IMAGENET, 1536, "own"),
    "virchow": ("vit_huge_patch14_224", VIRCHOW, (224, 224), IMAGENET, 2560, "class and mean from token 1"),
    "virchow2": (
        "vit_huge_patch14_224",
        VIRCHOW | {"reg_tokens": 4},
        (224, 224),
        IMAGENET,
        2560,
        "class and mean from token 5",
    ),
    "h_optimus_0": ("vit_giant_patch14_reg4_dinov2", OPTIMUS, (224, 224), BIOPTIMUS, 1536, "own"),
    "h_optimus_1": ("vit_giant_patch14_reg4_dinov2", OPTIMUS, (224, 224), BIOPTIMUS, 1536, "own"),
    "h0_mini": (
        "vit_base_patch14_reg4_dinov2",
        HIBOU_B | {"global_pool": ""},
        (224, 224),
        BIOPTIMUS,
        1536,
        "class and mean from token 5",
    ),
    "prov_gigapath": ("vit_giant_patch14_dinov2", GIGAPATH, (256, 224), IMAGENET, 1536, "own"),
    "phikon": ("vit_base_patch16_224", {}, (224, 224), IMAGENET, 768, "own"),
    "phikon_v2": ("vit_large_patch16_224", {"init_values": 1.0}, (224, 224), IMAGENET, 1024, "own"),
    "hibou_b": ("vit_base_patch14_reg4_dinov2", HIBOU_B, (224, 224), HIBOU, 768, "own"),
    "hibou_l": ("vit_large_patch14_reg4_dinov2", HIBOU_L, (224, 224), HIBOU, 1024, "own"),
    "kaiko_vits16": ("vit_small_patch16_224", {"dynamic_img_size": True}, (224, 224), HALF, 384, "own"),
    "kaiko_vits8": ("vit_small_patch8_224", {"dynamic_img_size": True}, (224, 224), HALF, 384, "own"),
    "kaiko_vitb16": ("vit_base_patch16_224", {"dynamic_img_size": True}, (224, 224), HALF, 768, "own"),
    "kaiko_vitb8": ("vit_base_patch8_224", {"dynamic_img_size": True}, (224, 224), HALF, 768, "own"),
    "kaiko_vitl14": ("vit_large_patch14_reg4_dinov2", {"img_size": 224}, (224, 224), HALF, 1024, "own"),
    "midnight": (
        "vit_giant_patch14_dinov2",
        {"img_size": 224, "global_pool": ""},
        (224, 224),
        HALF,
        3072,
        "class and mean from token 1",
    ),
}
TRANSFORMERS = [name for name, card in CARDS.items() if card[0].startswith("vit")]


def network_of(name, **more):
    model, options, *_ = CARDS[name]
    options = {**options, **more}
    if options.pop("glu", False):
        options |= {"mlp_layer": import_timm().layers.SwiGLUPacked, "act_layer": torch.nn.SiLU}
    return random_network(model, **options)


def expected_of(name, network, tiles):
    """What the card's own code gives: timm's transforms, forward, and pooling."""
    _, _, (resized, cropped), (mean, std), _, pooled = CARDS[name]
    transform = import_timm().data.create_transform(
        (3, cropped, cropped), interpolation="bicubic", mean=mean, std=std, crop_pct=cropped / resized
    )
    with torch.inference_mode():
        given = network(torch.stack([transform(Image.fromarray(tile)) for tile in tiles]))
        if pooled == "own":
            return given.numpy()
        first = int(pooled.split()[-1])
        return torch.cat([given[:, 0], given[:, first:].mean(dim=1)], dim=-1).numpy()


def assert_alike(features, expected):
    if torch.cuda.is_available():  # it calculates in bfloat16
        cosine = (features * expected).sum(1) / np.linalg.norm(features, axis=1) / np.linalg.norm(expected, axis=1)
        assert cosine.min() > 0.999
    else:
        assert np.allclose(features, expected, rtol=1e-4, atol=1e-4 * max(1.0, expected.std()))
    assert np.abs(features[0] - features[1]).max() > 0.01 * expected.std()


def check(name, folder, **more):
    network = network_of(name, **more)
    save_file(network.state_dict(), folder / f"{name}.safetensors")
    tiles = tiles_of(256, 2)  # that most transforms resize
    features = backbone_of(SlidesConfig(backbone=name), str(folder)).encode(tiles, [])
    assert features.shape == (2, CARDS[name][4]) == (2, encoders()[name].width)
    assert_alike(features, expected_of(name, network, tiles))


@pytest.fixture
def one_block(monkeypatch):
    """The table with a single block in every transformer: a ViT-g then has 60 million weights."""
    table = encoders()
    short = {
        name: replace(row, options={**row.options, "depth": 1})
        for name, row in table.items()
        if row.network.startswith("vit")
    }
    monkeypatch.setattr(pretrained, "encoders", lambda: table | short)


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_features_are_those_of_the_cards_network_transform_and_pooling(tmp_path, one_block, name):
    check(name, tmp_path, depth=1)


@pytest.mark.parametrize(
    "name",
    ["resnet18", "inception_v3", "kaiko_vits16"]
    + [pytest.param(name, marks=pytest.mark.slow) for name in ("resnet50", "vgg16", "phikon", "hibou_b", "uni")],
)
def test_so_are_those_of_the_whole_network(tmp_path, name):
    check(name, tmp_path)


@pytest.mark.parametrize("name", CARDS)
def test_whole_network_has_the_tensors_of_the_cards(name):
    """On the device that holds no values: a ViT-g would not fit beside others."""
    with torch.device("meta"):
        of_card, of_table = network_of(name), built(encoders()[name])
    shapes = [{key: tuple(value.shape) for key, value in one.state_dict().items()} for one in (of_card, of_table)]
    assert shapes[0] == shapes[1]


def test_every_row_of_the_table_is_held_against_its_card():
    assert set(CARDS) | {"conch"} == set(encoders())


def test_conch_is_its_trunk_and_the_attention_of_one_query_over_all_its_tokens(tmp_path, one_block):
    trunk = random_network("vit_base_patch16_224", img_size=448, dynamic_img_size=True, depth=1)
    rand = partial(torch.randn, generator=torch.Generator().manual_seed(5))
    pool = {
        "query": rand(1, 512),
        "ln_q.weight": rand(512),
        "ln_q.bias": rand(512),
        "ln_k.weight": rand(768),
        "ln_k.bias": rand(768),
    }
    pool |= {
        "attn.q_proj_weight": rand(512, 512) / 22,
        "attn.k_proj_weight": rand(512, 768) / 27,
        "attn.v_proj_weight": rand(512, 768) / 27,
    }
    pool |= {
        "attn.in_proj_bias": rand(1536),
        "attn.out_proj.weight": rand(512, 512) / 22,
        "attn.out_proj.bias": rand(512),
    }
    norm = {"weight": rand(512), "bias": rand(512)}
    other = {
        "logit_scale": rand(1),
        "text.cls_emb": rand(7),
        "visual.proj_contrast": rand(5, 5),
        "visual.attn_pool_caption.query": rand(3, 7),
    }
    published = {f"visual.trunk.{name}": tensor for name, tensor in trunk.state_dict().items()}
    published |= {f"visual.attn_pool_contrast.{name}": tensor for name, tensor in pool.items()}
    published |= {f"visual.ln_contrast.{name}": tensor for name, tensor in norm.items()} | other
    torch.save(published, tmp_path / "conch.bin")
    tiles = tiles_of(448, 2)
    features = backbone_of(SlidesConfig(backbone="conch"), str(tmp_path)).encode(tiles, [])
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) * 255 for values in OPENAI)
    layer_norm = torch.nn.functional.layer_norm
    with torch.inference_mode():
        tokens = trunk.forward_features((torch.from_numpy(np.stack(tiles)).permute(0, 3, 1, 2).float() - mean) / std)
        keys = layer_norm(tokens, (768,), pool["ln_k.weight"], pool["ln_k.bias"])
        bias_q, bias_k, bias_v = pool["attn.in_proj_bias"].chunk(3)
        query = (
            layer_norm(pool["query"], (512,), pool["ln_q.weight"], pool["ln_q.bias"]) @ pool["attn.q_proj_weight"].T
            + bias_q
        )
        key, value = keys @ pool["attn.k_proj_weight"].T + bias_k, keys @ pool["attn.v_proj_weight"].T + bias_v
        heads = []
        for head in range(8):
            part = slice(64 * head, 64 * head + 64)
            weights = (query[:, part] @ key[:, :, part].transpose(1, 2) / 8).softmax(-1)  # 8 is the root of 64
            heads.append(weights @ value[:, :, part])
        pooled = torch.cat(heads, -1)[:, 0] @ pool["attn.out_proj.weight"].T + pool["attn.out_proj.bias"]
        expected = layer_norm(pooled, (512,), norm["weight"], norm["bias"]).numpy()
    assert features.shape == (2, 512)
    assert_alike(features, expected)
