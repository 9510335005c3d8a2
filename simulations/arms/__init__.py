"""The arms of a comparison: pooled, federated, local, reference."""
