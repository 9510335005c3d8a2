"""Seeds that depend on what is done, never on who ran it or when."""

import hashlib
from typing import TYPE_CHECKING


def seed_of(*parts: object) -> int:
    """A 63-bit seed from, say, (study seed, site name, modality, round); the same parts give the same seed."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


if TYPE_CHECKING:
    import torch


def seed_torch(seed: int, device: "torch.device | None" = None) -> None:
    """Seed torch's CPU generator, which the order of cases is drawn from, and that of the GPU that a network is on.

    What dropout hides is drawn where the network is: on a GPU it is not what it would be on the processor.

    `torch.manual_seed` also writes down a stack trace for accelerators not in use: half a millisecond a message.
    """
    import torch  # here: what only derives seeds need not wait for it

    torch.default_generator.manual_seed(seed)
    if device is not None and device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
