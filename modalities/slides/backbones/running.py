"""A network at work on a device: batches in lanes, copies beside the computing, bfloat16 on a GPU."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor, nn

from modalities.slides.backbones.networks import features_of
from modalities.slides.backbones.table import Encoder


class GaveUpError(RuntimeError):
    """Nobody wants the batch any more."""


class Runner:
    """A network on its device, with the arithmetic around it."""

    def __init__(self, encoder: Encoder, network: nn.Module, device: torch.device, halves: bool) -> None:
        """With `halves`, what matrices are multiplied by is bfloat16; what is added up stays in single precision."""
        self.device, self._halves = device, halves
        self.network = network.eval().to(device).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        for layer in self.network.modules() if halves else ():
            if isinstance(layer, nn.Linear | nn.Conv2d):
                layer.to(torch.bfloat16)
        self._features = features_of(encoder, self.network)
        scale = (torch.tensor(values, dtype=torch.float32) * 255 for values in (encoder.mean, encoder.std))
        self._mean, self._std = (values.view(1, 3, 1, 1).to(device) for values in scale)
        self.spell = 0
        """Counts up when work ends: what lanes of before still do is given up."""
        self._of = threading.local()
        if device.type == "cpu":  # where a batch may take a minute; on a GPU it is over at once
            for layer in self.network.modules():
                layer.register_forward_pre_hook(self._go_on)

    @torch.inference_mode()
    def features(self, pixels: UInt8[Tensor, "tile side side 3"], spell: int) -> Float32[Tensor, "tile feature"]:
        """Of tiles on the device; in two halves where its memory is too small for all at once."""
        self._of.spell = spell
        try:
            batch = pixels.permute(0, 3, 1, 2).float()
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self._halves):
                return self._features((batch - self._mean) / self._std).float()
        except torch.OutOfMemoryError:
            if len(pixels) == 1:
                raise
        half = len(pixels) // 2  # here, where the error no longer holds what the first attempt had taken
        return torch.cat([self.features(pixels[:half], spell), self.features(pixels[half:], spell)])

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """On a CPU each lane computes in one thread, so that features do not depend on how many there are."""
        n_threads = torch.get_num_threads()
        try:
            if self.device.type == "cpu":
                torch.set_num_threads(1)
            yield
        finally:
            self.spell += 1
            torch.set_num_threads(n_threads)

    def _go_on(self, layer: nn.Module, inputs: Any) -> None:
        del layer, inputs
        if self._of.spell != self.spell:
            raise GaveUpError


class DeviceLane:
    """See `Lane`. On a GPU a stream and pinned memory of its own: its copies run beside the computing of others."""

    def __init__(self, runner: Runner, n_tiles: int, side_px: int) -> None:
        """For batches of at most `n_tiles`."""
        self._runner, self._spell = runner, runner.spell
        on_gpu = runner.device.type == "cuda"
        self._held = torch.empty((n_tiles, side_px, side_px, 3), dtype=torch.uint8, pin_memory=on_gpu)
        self._stream = torch.cuda.Stream(runner.device) if on_gpu else None
        self.pixels = self._held.numpy()

    def features(self, n_tiles: int) -> Float32[np.ndarray, "tile feature"]:
        """See `Lane`."""
        held = self._held[:n_tiles]
        if self._stream is None:
            return self._runner.features(held.to(self._runner.device), self._spell).cpu().numpy()
        with torch.cuda.stream(self._stream):
            found = self._runner.features(held.to(self._runner.device, non_blocking=True), self._spell)
            copied = torch.empty(found.shape, pin_memory=True).copy_(found, non_blocking=True)
            self._stream.synchronize()  # waits without holding up the other threads
        return copied.numpy().copy()  # pinned memory goes back
