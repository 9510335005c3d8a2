"""How good a model is, and whether two are equally good: plain functions of sums, scores and resamples."""
