"""The image tower of CONCH: timm's network, and the attention that pools its tokens, which timm does not have."""

from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

_HEADS = 8


class AttentionPool(nn.Module):
    """Tokens -> one vector: a learnt query attends to all of them.

    Source: the pooler of CoCa, arXiv:2205.01917.
    """

    def __init__(self, width: int, token_width: int) -> None:
        """From tokens of `token_width` to a vector of `width`; its tensors are named as in CONCH's file."""
        super().__init__()
        self.query = nn.Parameter(torch.randn(1, width))
        self.attn = nn.MultiheadAttention(width, _HEADS, kdim=token_width, vdim=token_width, batch_first=True)
        self.ln_q = nn.LayerNorm(width)
        self.ln_k = nn.LayerNorm(token_width)

    def forward(self, tokens: Float[Tensor, "tile token channel"]) -> Float[Tensor, "tile feature"]:
        """softmax(q k^T / sqrt(d)) v, in eight heads, over the normalised tokens."""
        keys = self.ln_k(tokens)
        queries = self.ln_q(self.query).expand(len(tokens), -1, -1)
        return self.attn(queries, keys, keys, need_weights=False)[0][:, 0]


class AttentionPooled(nn.Module):
    """A vision transformer whose tokens, class token among them, are pooled by attention and normalised."""

    def __init__(self, trunk: nn.Module, width: int) -> None:
        """Over a network of timm."""
        super().__init__()
        self.trunk = trunk
        self.attn_pool_contrast = AttentionPool(width, cast(Any, trunk).num_features)
        self.ln_contrast = nn.LayerNorm(width)

    def forward(self, pixels: Float[Tensor, "tile 3 side side"]) -> Float[Tensor, "tile feature"]:
        """Before the projection into the space that is shared with texts."""
        return self.ln_contrast(self.attn_pool_contrast(cast(Any, self.trunk).forward_features(pixels)))
