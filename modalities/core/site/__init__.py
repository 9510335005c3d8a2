"""A site's folder and its data as tensors."""
