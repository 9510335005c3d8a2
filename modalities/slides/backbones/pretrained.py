"""Pretrained networks as backbones: weights from a site's own file first, from a hub where there is a network."""

import difflib
import hashlib
import importlib
import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import nn

from modalities.core.device import device_for
from modalities.core.files.tables.delimited import listing
from modalities.core.problems import ProblemsError, problems_of, unusable
from modalities.slides.backbones.fitting import Fit
from modalities.slides.backbones.importing import import_timm
from modalities.slides.backbones.names import as_timm
from modalities.slides.backbones.networks import filled
from modalities.slides.backbones.places import PLACE, from_hub, weights_file
from modalities.slides.backbones.running import DeviceLane, Runner
from modalities.slides.backbones.table import Encoder, encoders
from modalities.slides.backbones.weights import file_digest, tensors_of
from modalities.slides.nuclei.nuclei import Nuclei

_BATCH = 32


class Pretrained:
    """A network without its classifier."""

    names: tuple[str, ...] = ()
    uses_nuclei = False

    def __init__(self, encoder: Encoder, network: nn.Module, digest: str, device: torch.device) -> None:
        """Over a network that is filled with its weights."""
        self.name, self.digest, self.licence = encoder.name, digest, encoder.licence
        self.fit = Fit(encoder.resized, encoder.pixels)
        self.on_cpu = device.type == "cpu"
        self._runner = Runner(encoder, network, device, halves=not self.on_cpu)
        self.n_threads = torch.get_num_threads()

    def encode(
        self, tiles: Sequence[UInt8[np.ndarray, "height width 3"]], nuclei: Sequence[Nuclei]
    ) -> Float32[np.ndarray, "tile feature"]:
        """A row a tile."""
        del nuclei
        lane = self.lane(_BATCH)
        rows = []
        for start in range(0, len(tiles), _BATCH):
            batch = tiles[start : start + _BATCH]
            lane.pixels[: len(batch)] = [self.fit(tile) for tile in batch]
            rows.append(lane.features(len(batch)))
        return np.concatenate(rows)

    def lane(self, n_tiles: int) -> DeviceLane:
        """See `Network`."""
        return DeviceLane(self._runner, n_tiles, self.fit.pixels)

    def at_work(self) -> AbstractContextManager[None]:
        """See `Network`."""
        return self._runner.at_work()


def pretrained(name: str, folder: Path | None, asked: str) -> Pretrained:
    """The backbone of this name on the device that is asked for, with the weights of the folder, or else of a hub.

    Raises:
        ValueError: timm is not installed, knows no such model, there are no weights that fit it, or no such device.
    """
    device = device_for(asked, lambda: math.inf)  # whatever its size: `auto` takes a GPU where there is one
    timm = _timm(name)
    encoder = encoders().get(name) or _of_timm(name, timm)
    file = weights_file(name, folder)
    if file is None and name not in encoders():
        return _from_hub_of_timm(encoder, timm, device)
    file = file or from_hub(encoder)
    try:
        network = filled(encoder, as_timm(tensors_of(file)), file.name)
    except ProblemsError as error:
        raise ProblemsError(*problems_of(error, where=f"backbone {name}")) from error
    return Pretrained(encoder, network, file_digest(file), device)


def _timm(name: str) -> Any:
    try:
        return import_timm()
    except (ImportError, RuntimeError) as error:  # RuntimeError: a torchvision built for another torch
        raise unusable(
            f"backbone {name}: timm cannot be imported ({error})",
            "install it with `pip install -c constraints.txt '.[slides,encoders]'`, or use the backbone `stain`, "
            "which needs neither timm nor weights",
        ) from error


def _of_timm(name: str, timm: Any) -> Encoder:
    """A network that is not in the table, as timm describes it.

    Names only: timm would also take an address or a folder, and the name comes from the federation.
    """
    models = timm.list_models()
    if name.partition(".")[0] not in models:
        near = difflib.get_close_matches(name, ["stain", *encoders(), *models], n=1)
        known = listing(list(encoders()))
        what = f"backbone {name}: neither `stain` nor an encoder of the table ({known}) nor a model of this timm"
        raise unusable(what, f"did you mean {near[0]}?" if near else "`tessera-client encoders` lists them")
    with torch.device("meta"):
        network = timm.create_model(name, pretrained=False, num_classes=0)
    expects = importlib.import_module("timm.data.config").resolve_model_data_config(network)
    pixels = int(expects["input_size"][-1])
    return Encoder(
        name=name,
        title=name,
        network=name,
        options={},
        pooling="network",
        pixels=pixels,
        resized=round(pixels / float(expects["crop_pct"])),
        um_px=None,
        mean=tuple(expects["mean"]),
        std=tuple(expects["std"]),
        width=int(network.num_features),
        licence="see the model card of the weights",
        access="free",
        hub=None,
        tcga="unconfirmed",
        trained_on="what its model card says",
        sources=(),
    )


def _from_hub_of_timm(encoder: Encoder, timm: Any, device: torch.device) -> Pretrained:
    """With the weights that timm itself names."""
    try:
        network = timm.create_model(encoder.network, pretrained=True, num_classes=0)
    except Exception as error:  # timm and the hub's client each have errors of their own
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise unusable(
            f"backbone {encoder.name}: no weights here, and none from a hub ({said})",
            f"put {encoder.name}.safetensors into {PLACE}",
        ) from error
    return Pretrained(encoder, network, _digest(network), device)


def _digest(model: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, weights in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(weights.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
