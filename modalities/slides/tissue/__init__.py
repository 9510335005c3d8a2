"""Where a slide holds tissue, and the tiles that are taken from it."""
