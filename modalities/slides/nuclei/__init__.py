"""Nuclei of a tile, and what they say of its composition."""
