"""Masked sums: what sites send so that the coordinator can open their sum and nothing else."""
