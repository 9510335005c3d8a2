"""From slides to tile features on disk."""
