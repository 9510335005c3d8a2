"""From a hospital's exports to a site folder."""
