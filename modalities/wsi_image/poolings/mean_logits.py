"""Trained on tiles; the mean of the tiles' embeddings, whose logits are the mean of theirs, since the head is linear.

Source: arXiv 2509.03408, as of all that are tile-wise.
"""

from modalities.wsi_image.network import TileEncoder


class Encoder(TileEncoder):
    """What all poolings share, learnt tile by tile."""

    is_tile_wise = True
