"""Fusion heads, one a file: the outputs of the branches that a case has -> fused logits."""
