"""Tensors by timm's names, from files that name them as transformers, DINOv2 or CONCH do."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

_PREFIXES = ("module.", "backbone.", "vit.", "dinov2.")
_BLOCK = r"encoder\.layer\.(\d+)\."
_TRANSFORMERS = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"embeddings\.position_embeddings", "pos_embed"),
        (r"embeddings\.patch_embeddings\.projection\.(.+)", r"patch_embed.proj.\1"),
        (r"embeddings\.(\w+)", r"\1"),
        (r"layernorm\.(.+)", r"norm.\1"),
        (_BLOCK + r"(?:layernorm_before|norm1)\.(.+)", r"blocks.\1.norm1.\2"),
        (_BLOCK + r"(?:layernorm_after|norm2)\.(.+)", r"blocks.\1.norm2.\2"),
        (_BLOCK + r"attention\.output\.dense\.(.+)", r"blocks.\1.attn.proj.\2"),
        (_BLOCK + r"layer_scale(\d)\.lambda1", r"blocks.\1.ls\2.gamma"),
        (_BLOCK + r"(?:intermediate\.dense|mlp\.fc1|mlp\.weights_in)\.(.+)", r"blocks.\1.mlp.fc1.\2"),
        (_BLOCK + r"(?:output\.dense|mlp\.fc2|mlp\.weights_out)\.(.+)", r"blocks.\1.mlp.fc2.\2"),
    )
)
_QUERY = re.compile(_BLOCK + r"attention\.attention\.query\.(.+)")
_CONCH = ("trunk.", "attn_pool_contrast.", "ln_contrast.")


def as_timm(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors by timm's names; those that no tile encoder has (a mask token, a text tower) are left out.

    Sources: transformers' ViTModel and Dinov2Model; github.com/facebookresearch/dinov2; github.com/mahmoodlab/CONCH.
    """
    plain = dict(tensors)
    for prefix in _PREFIXES:
        if plain and all(name.startswith(prefix) for name in plain):
            plain = {name.removeprefix(prefix): tensor for name, tensor in plain.items()}
    if "visual.trunk.cls_token" in plain:
        seen = {name.removeprefix("visual."): tensor for name, tensor in plain.items() if name.startswith("visual.")}
        return {name: tensor for name, tensor in seen.items() if name.startswith(_CONCH)}
    if "embeddings.cls_token" in plain:
        plain = _from_transformers(plain)
    return _from_dinov2(plain)


def _from_transformers(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    named = {}
    for name, tensor in tensors.items():
        query = _QUERY.fullmatch(name)
        if query:
            parts = [tensors.get(name.replace(".query.", f".{part}.")) for part in ("query", "key", "value")]
            known = [part for part in parts if part is not None]
            named[f"blocks.{query[1]}.attn.qkv.{query[2]}"] = torch.cat(known)
        elif not re.search(r"\.attention\.(key|value)\.|^pooler\.", name):
            named[_renamed(name)] = tensor
    return named


def _renamed(name: str) -> str:
    for pattern, new in _TRANSFORMERS:
        if pattern.fullmatch(name):
            return pattern.sub(new, name)
    return name


def _from_dinov2(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Its registers have no position, so timm keeps the class token's position in the token itself."""
    named = {re.sub(r"\.mlp\.w12\.", ".mlp.fc1.", name): tensor for name, tensor in tensors.items()}
    named = {re.sub(r"\.mlp\.w3\.", ".mlp.fc2.", name): tensor for name, tensor in named.items()}
    named.pop("mask_token", None)
    if {"register_tokens", "cls_token", "pos_embed"} <= set(named):
        position = named["pos_embed"]
        named["reg_token"] = named.pop("register_tokens")
        named["cls_token"] = named["cls_token"] + position[:, :1]
        named["pos_embed"] = position[:, 1:]
    return named
