"""Seeds that depend on what is done, never on who ran it or when."""

import hashlib


def seed_of(*parts: object) -> int:
    """A 63-bit seed from, say, (study seed, site name, modality, round); the same parts give the same seed."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def seed_torch(seed: int) -> None:
    """Seed torch's CPU generator, all that training draws from.

    `torch.manual_seed` also writes down a stack trace for accelerators not in use: half a millisecond a message.
    """
    import torch  # here: what only derives seeds need not wait for it

    torch.default_generator.manual_seed(seed)
