"""`tessera-client map`: a site's own words, what they may mean, and the lines of site.yaml that say it."""
