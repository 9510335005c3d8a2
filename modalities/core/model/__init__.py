"""A branch, what it predicts, and how its probabilities are calibrated."""
