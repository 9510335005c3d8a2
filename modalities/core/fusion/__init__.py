"""Fusion heads: the outputs of the branches that a case has -> fused logits. A head is a file here."""
