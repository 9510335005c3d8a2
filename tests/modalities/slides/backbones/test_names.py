"""Files that name their tensors as transformers or DINOv2 do; both are written here from timm's own, the other way."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from modalities.slides.backbones import backbone_of, pretrained
from modalities.slides.backbones.names import as_timm
from modalities.slides.backbones.networks import built
from modalities.slides.backbones.table import encoders
from modalities.slides.config import SlidesConfig
from tests.modalities.slides.backbones.networks import needs_timm, stirred, tiles_of

pytestmark = needs_timm
OUTSIDE = {
    "cls_token": "embeddings.cls_token",
    "reg_token": "embeddings.register_tokens",
    "pos_embed": "embeddings.position_embeddings",
    "patch_embed.proj.": "embeddings.patch_embeddings.projection.",
    "norm.": "layernorm.",
}
OF_VIT = {
    "norm1.": "layernorm_before.",
    "norm2.": "layernorm_after.",
    "attn.proj.": "attention.output.dense.",
    "mlp.fc1.": "intermediate.dense.",
    "mlp.fc2.": "output.dense.",
}
OF_DINOV2 = {
    "attn.proj.": "attention.output.dense.",
    "ls1.gamma": "layer_scale1.lambda1",
    "ls2.gamma": "layer_scale2.lambda1",
}
OF_SWIGLU = OF_DINOV2 | {"mlp.fc1.": "mlp.weights_in.", "mlp.fc2.": "mlp.weights_out."}


def named(name, names):
    for ours, theirs in names.items():
        if name.startswith(ours):
            return name.replace(ours, theirs, 1)
    return name


def with_positions_of_the_class(tensors):
    """DINOv2 adds a position to the class token where it has registers; timm keeps their sum."""
    position = torch.full_like(tensors["cls_token"], 0.25)
    whole = torch.cat([position, tensors["pos_embed"]], dim=1)
    return tensors | {"cls_token": tensors["cls_token"] - position, "pos_embed": whole}


def as_transformers(tensors, inside):
    given = {}
    for name, tensor in tensors.items():
        block = re.fullmatch(r"blocks\.(\d+)\.(.+)", name)
        if block is None:
            given[named(name, OUTSIDE)] = tensor
        elif block[2].startswith("attn.qkv."):
            for part, value in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                given[f"encoder.layer.{block[1]}.attention.attention.{part}.{block[2].rpartition('.')[2]}"] = (
                    value.clone()
                )
        else:
            given[f"encoder.layer.{block[1]}.{named(block[2], inside)}"] = tensor
    return given


@pytest.fixture
def two_blocks(monkeypatch):
    table = encoders()
    short = {
        name: replace(row, options={**row.options, "depth": 2})
        for name, row in table.items()
        if row.network.startswith("vit")
    }
    monkeypatch.setattr(pretrained, "encoders", lambda: table | short)
    return short


def assert_same(row, folder, tensors, published):
    """A site that has the published file gets the features of one that has timm's."""
    found = []
    for place, content in (("theirs", published), ("ours", tensors)):
        (folder / place).mkdir()
        save_file(
            {name: tensor.contiguous() for name, tensor in content.items()}, folder / place / f"{row.name}.safetensors"
        )
        found.append(backbone_of(SlidesConfig(backbone=row.name), str(folder / place)).encode(tiles_of(224, 2), []))
    assert np.allclose(*found, rtol=0, atol=1e-5)
    assert np.abs(found[0][0] - found[0][1]).max() > 0.01


@pytest.mark.parametrize(
    ("name", "inside", "registers"),
    [("phikon", OF_VIT, False), ("phikon_v2", OF_DINOV2, False), ("hibou_b", OF_SWIGLU, True)],
)
def test_file_of_transformers_is_read_as_it_is_published(tmp_path, two_blocks, name, inside, registers):
    row = two_blocks[name]
    torch.manual_seed(3)
    tensors = stirred(built(row)).state_dict()
    published = as_transformers(with_positions_of_the_class(tensors) if registers else tensors, inside)
    mask = {} if inside is OF_VIT else {"embeddings.mask_token": torch.zeros(1, row.width)}
    assert_same(row, tmp_path, tensors, published | mask)


def test_file_of_dinov2s_own_training_is_read_as_it_is_published(tmp_path, two_blocks):
    row = two_blocks["hibou_b"]
    torch.manual_seed(3)
    tensors = stirred(built(row)).state_dict()
    theirs = {"reg_token": "register_tokens", "mlp.fc1": "mlp.w12", "mlp.fc2": "mlp.w3"}
    published = {"module.mask_token": torch.zeros(1, 768)}
    for name, tensor in with_positions_of_the_class(tensors).items():
        for ours, new in theirs.items():
            name = name.replace(ours, new)
        published[f"module.{name}"] = tensor
    assert_same(row, tmp_path, tensors, published)


@pytest.mark.parametrize(("name", "inside"), [("midnight", OF_SWIGLU), ("hibou_l", OF_SWIGLU)])
def test_whole_large_network_has_the_tensors_of_its_published_file(name, inside):
    with torch.device("meta"):
        tensors = built(encoders()[name]).state_dict()
        there = with_positions_of_the_class(tensors) if "reg_token" in tensors else tensors
        back = as_timm(as_transformers(there, inside))
    assert {key: value.shape for key, value in back.items()} == {key: value.shape for key, value in tensors.items()}
