"""From the raw files of a case to branches and fused logits, in plain PyTorch: one plug-in a modality."""
