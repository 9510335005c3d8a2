"""A whole model trained in one place: from the cases of one site alone, or, in a simulation, of all sites pooled."""
