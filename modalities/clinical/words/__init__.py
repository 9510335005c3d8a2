"""A site's own words: what it maps, what it may mean, and what nobody knows."""
