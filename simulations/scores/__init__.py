"""Predictions, their metrics, and the comparison of arms."""
