"""Masked sums at a site: what it sends, what it helps to open, and what it refuses."""
