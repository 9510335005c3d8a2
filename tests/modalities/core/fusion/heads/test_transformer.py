"""The transformer head is PyTorch's own layer."""

import torch

from modalities.core.fusion.head import fuse, head_named
from modalities.core.fusion.settings import Fusion, Network
from tests.modalities.core.fusion.heads.test_heads import N_CLASSES, SIZES, outputs


def test_transformer_layer_is_that_of_pytorch():
    """One layer, two heads, the same weights as PyTorch's pre-norm encoder layer; the first case lacks a token."""
    head, found = head_named("transformer"), outputs(["ab", "abc"])
    settings = Fusion(network=Network(width=6, layers=1, attention_heads=2))
    parameters = {name: values.double() for name, values in head.initial(SIZES, N_CLASSES, settings, seed=3).items()}
    parameters["shared.R"] = torch.randn(3, 6, generator=torch.Generator().manual_seed(2)).double()
    layer = torch.nn.TransformerEncoderLayer(6, 2, 24, 0.0, "gelu", batch_first=True, norm_first=True).double().eval()
    own = {
        name.removeprefix("shared.0."): values for name, values in parameters.items() if name.startswith("shared.0.")
    }
    with torch.no_grad():
        for values in layer.parameters():
            values.zero_()
        layer.norm1.weight.fill_(1.0), layer.norm2.weight.fill_(1.0)
        projections = [own[part].reshape(6, 6) for part in ("query", "key", "value")]
        layer.self_attn.in_proj_weight.copy_(torch.cat(projections))
        layer.self_attn.out_proj.weight.copy_(own["out"])
        layer.linear1.weight.copy_(own["widen"]), layer.linear2.weight.copy_(own["narrow"])
        tokens = [
            torch.cat([found.embeddings[m], found.logits[m]], dim=1) @ parameters[f"{m}.P"].T + parameters[f"{m}.p"]
            for m in "abc"
        ]
        absent = ~torch.stack(list(found.present.values()), dim=1)
        each = layer(torch.stack(tokens, dim=1), src_key_padding_mask=absent)
        mean = torch.stack([each[0, :2].mean(dim=0), each[1].mean(dim=0)])
        expected = torch.nn.functional.layer_norm(mean, (6,)) @ parameters["shared.R"].T
    assert torch.allclose(fuse(head, parameters, found), expected, atol=1e-6)
