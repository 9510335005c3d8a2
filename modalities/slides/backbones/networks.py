"""Networks of the table, built by timm and filled with the tensors of a file."""

from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any, cast

import torch
from torch import Tensor, nn

from modalities.core.files.tables.delimited import listing
from modalities.core.problems import unusable
from modalities.slides.backbones.attention import AttentionPooled
from modalities.slides.backbones.importing import import_timm
from modalities.slides.backbones.table import Encoder

_NEVER_USED = "num_batches_tracked"  # older files lack it, and only training reads it
_POSITIONS = "pos_embed"


def built(encoder: Encoder) -> nn.Module:
    """The network without its classifier, its weights at random."""
    timm = import_timm()
    options = dict(encoder.options)
    if "mlp_layer" in options:
        options["mlp_layer"] = getattr(timm.layers, options["mlp_layer"])
    network = timm.create_model(encoder.network, pretrained=False, num_classes=0, **options)
    return AttentionPooled(network, encoder.width) if encoder.pooling == "attention" else network


def filled(encoder: Encoder, tensors: Mapping[str, Tensor], file: str) -> nn.Module:
    """The network with these weights; they must be its own, all of them and no others.

    Raises:
        ValueError: they are not; the file is named.
    """
    with torch.device("meta"):  # random weights of a large network take longer than reading it
        network = built(encoder)
    fitted = _fitted_positions(encoder, network, tensors)
    _refuse_another_network(encoder, network, fitted, file)
    weights = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in fitted.items()}
    network.load_state_dict(weights, strict=False, assign=True)
    if any(tensor.is_meta for tensor in chain(network.parameters(), network.buffers())):
        network = built(encoder)
        network.load_state_dict(weights, strict=False)
    return network


def features_of(encoder: Encoder, network: nn.Module) -> Callable[[Tensor], Tensor]:
    """Pixels [tile, 3, side, side] -> features [tile, width], pooled as the row says."""
    if encoder.pooling != "class+mean":
        return network
    vit = cast(Any, network)

    def class_and_mean(pixels: Tensor) -> Tensor:
        tokens = vit.forward_features(pixels)
        return torch.cat([tokens[:, 0], tokens[:, vit.num_prefix_tokens :].mean(dim=1)], dim=1)

    return class_and_mean


def _fitted_positions(encoder: Encoder, network: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Positions that were published for another size, fitted to this one; others stay as they are."""
    vit = cast(Any, network)
    held, wanted = tensors.get(_POSITIONS), getattr(network, _POSITIONS, None)
    if not encoder.published_px or held is None or wanted is None:
        return dict(tensors)
    beside = 0 if vit.no_embed_class else vit.num_prefix_tokens
    side = encoder.published_px // vit.patch_embed.patch_size[0]
    if held.shape != (1, beside + side * side, wanted.shape[-1]):
        return dict(tensors)
    resample = import_timm().layers.resample_abs_pos_embed
    grid = list(vit.patch_embed.grid_size)
    return {**tensors, _POSITIONS: resample(held.float(), new_size=grid, num_prefix_tokens=beside)}


def _refuse_another_network(encoder: Encoder, network: nn.Module, held: dict[str, Tensor], file: str) -> None:
    """Also drops from `held` what no feature depends on: the classifier."""
    wanted = network.state_dict()
    for name in set(held) - set(wanted):
        if name.startswith(_unneeded(encoder, network)):
            del held[name]
    needed = {name for name in wanted if not name.endswith(_NEVER_USED)}
    lacking = sorted(needed - set(held))
    strange = sorted(set(held) - set(wanted))
    other = [
        f"{name} is {tuple(held[name].shape)}, not {tuple(wanted[name].shape)}"
        for name in sorted(set(wanted) & set(held))
        if held[name].shape != wanted[name].shape
    ]
    said = (
        (lacking, f"{len(lacking)} of its {len(needed)} tensors are not there"),
        (strange, f"{len(strange)} are not its own"),
        (other, f"{len(other)} are of another shape"),
    )
    wrong = "; ".join(f"{what} ({listing(names)})" for names, what in said if names)
    if wrong:
        remedy = f"take the weights of {encoder.sources[-1]}" if encoder.sources else "they must bear timm's names"
        raise unusable(f"is not this network: {wrong}", remedy, file=file)


def _unneeded(encoder: Encoder, network: nn.Module) -> tuple[str, ...]:
    said = getattr(network, "pretrained_cfg", {}).get("classifier") or ()
    classifiers = (said,) if isinstance(said, str) else said
    return (*(f"{name}." for name in classifiers), *encoder.ignores)
