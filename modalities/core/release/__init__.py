"""A signed release, and the keys that sign it."""
