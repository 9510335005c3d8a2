"""Tile features that exist: a file for each layout that tools write, and one that tells them apart."""
