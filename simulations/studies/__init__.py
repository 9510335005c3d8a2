"""Experiments over folds, seeds, heads and strategies."""
