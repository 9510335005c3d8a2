"""Transformer over modality tokens (T).

A modality's token is P_m [e_m, o_m] + p_m. Layers of presence-masked self-attention and a GELU network, each on
normalised tokens and added to them, then the mean over the present tokens: z = R norm(mean) + b. The preset `paper` has
the 6 layers of 512 with 8 heads of arXiv 2509.03408. Source of the layers: Vaswani et al. 2017, arXiv:1706.03762, with
the norm before each (Xiong et al. 2020, arXiv:2002.04745) and without weights of its own.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import gelu, layer_norm, scaled_dot_product_attention

from modalities.core.fusion.head import Parameters, lecun_normal, ridge_of_layers
from modalities.core.fusion.outputs import Outputs
from modalities.core.fusion.settings import Fusion

OPTIMISER, penalty = "adam", ridge_of_layers
_WIDER = 4
"""The GELU network's hidden layer, in widths of a token."""


def initial(embedding_sizes: Mapping[str, int], n_classes: int, settings: Fusion, seed: int) -> Parameters:
    """Random layers below a readout of zeros: all classes alike until fitted."""
    network = settings.network
    width, n_heads = network.width, network.attention_heads
    found = {f"{m}.P": lecun_normal(seed, f"{m}.P", width, size + n_classes) for m, size in embedding_sizes.items()}
    found |= {f"{name}.p": lecun_normal(seed, f"{name}.p", width, 1)[:, 0] for name in embedding_sizes}
    for layer in range(network.layers):
        at = f"shared.{layer}."
        for part in ("query", "key", "value"):
            found[at + part] = lecun_normal(seed, at + part, width, width).reshape(n_heads, -1, width)
        found[at + "out"] = lecun_normal(seed, at + "out", width, width)
        found[at + "widen"] = lecun_normal(seed, at + "widen", _WIDER * width, width)
        found[at + "narrow"] = lecun_normal(seed, at + "narrow", width, _WIDER * width)
        found |= {at + "widen_bias": torch.zeros(_WIDER * width), at + "narrow_bias": torch.zeros(width)}
    return {**found, "shared.R": torch.zeros(n_classes, width), "shared.b": torch.zeros(n_classes)}


def logits(parameters: Mapping[str, Tensor], outputs: Outputs) -> Float[Tensor, "case class"]:
    dtype, held = parameters["shared.b"].dtype, torch.stack(list(outputs.present.values()), dim=1)
    inputs = {name: torch.cat([outputs.embeddings[name], outputs.logits[name]], dim=1) for name in outputs.modalities}
    each = [inputs[name].to(dtype) @ parameters[f"{name}.P"].T + parameters[f"{name}.p"] for name in inputs]
    tokens = torch.where(held[:, :, None], torch.stack(each, dim=1), 0.0)
    for layer in range(sum(name.endswith(".query") for name in parameters)):
        own = {name: parameters[f"shared.{layer}.{name}"] for name in _PARTS}
        tokens = tokens + _attention(own, _norm(tokens), held)
        hidden = gelu(_norm(tokens) @ own["widen"].T + own["widen_bias"])
        tokens = tokens + hidden @ own["narrow"].T + own["narrow_bias"]
    mean = (tokens * held[:, :, None]).sum(dim=1) / held.sum(dim=1).clamp(min=1)[:, None]
    return (_norm(mean) @ parameters["shared.R"].T + parameters["shared.b"]).double()


_PARTS = ("query", "key", "value", "out", "widen", "widen_bias", "narrow", "narrow_bias")


def _attention(
    own: Mapping[str, Tensor], tokens: Float[Tensor, "case token width"], held: Bool[Tensor, "case token"]
) -> Float[Tensor, "case token width"]:
    """Every token looks at the present ones; in a case without any, at all of them, so that no number is NaN."""
    seen = (held | ~held.any(dim=1, keepdim=True))[:, None, None, :]
    query, key, value = (torch.einsum("ctw,hdw->chtd", tokens, own[name]) for name in ("query", "key", "value"))
    mixed = scaled_dot_product_attention(query, key, value, attn_mask=seen)
    return mixed.transpose(1, 2).flatten(2) @ own["out"].T


def _norm(tokens: Tensor) -> Tensor:
    return layer_norm(tokens, tokens.shape[-1:])
