"""Slides and the lists that name them."""
