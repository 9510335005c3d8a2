"""Networks of timm as backbones: weights from a local safetensors file first, from a hub where there is a network."""

import difflib
import hashlib
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Float32, UInt8
from safetensors import safe_open
from torch import nn

from modalities.core.files.delimited import listing
from modalities.core.problems import unusable
from modalities.slides.backbones.importing import import_timm
from modalities.slides.nuclei.nuclei import Nuclei

_BATCH = 32


@dataclass(frozen=True)
class Known:
    """A backbone that goes by a short name."""

    timm: str
    """Its name in timm."""
    licence: str
    local_only: bool = False
    """Its owner hands the weights out one by one: they are never looked for on a hub."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of the network, for `timm.create_model`."""
    expects: Mapping[str, Any] = field(default_factory=dict)
    """Preprocessing, where it is not that of timm's own weights."""


_PAPER = {"crop_pct": 224 / 256}
"""256 pixels around 224, or 342 around 299. Source: arXiv 2509.03408; timm's own resnets were scored at .95."""
KNOWN = {
    "resnet18": Known("resnet18", "Apache-2.0", expects=_PAPER),
    "resnet50": Known("resnet50", "Apache-2.0", expects=_PAPER),
    "vgg16": Known("vgg16", "BSD-3-Clause", expects=_PAPER),
    "inception_v3": Known("inception_v3", "Apache-2.0", expects=_PAPER),
    "dinov2": Known("vit_small_patch14_dinov2", "Apache-2.0", expects={**_PAPER, "input_size": (3, 224, 224)}),
    "uni": Known(
        "vit_large_patch16_224",
        "CC-BY-NC-ND-4.0: not for commercial use; ask its owner for the weights",
        local_only=True,
        options={"init_values": 1e-5, "dynamic_img_size": True},
        expects={"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225), "crop_pct": 1.0},
    ),
}
"""Licences are those of the model cards, as is what `uni` expects. Any other name is as timm describes it."""
_UNKNOWN_LICENCE = "see the model card of the weights"


class Pretrained:
    """A network without its classifier."""

    names: tuple[str, ...] = ()
    uses_nuclei = False

    def __init__(self, name: str, model: nn.Module, expects: Mapping[str, Any], digest: str, licence: str) -> None:
        """Over a model with the preprocessing that it expects: input_size, mean, std, crop_pct."""
        self.name, self.digest, self.licence = name, digest, licence
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._model = model.eval().to(self._device).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self._px = int(expects["input_size"][-1])
        self._resized_px = round(self._px / float(expects["crop_pct"]))
        mean, std = (torch.tensor(expects[key], dtype=torch.float32) * 255 for key in ("mean", "std"))
        self._mean, self._std = (value.view(1, 3, 1, 1).to(self._device) for value in (mean, std))

    @torch.inference_mode()
    def encode(
        self, tiles: Sequence[UInt8[np.ndarray, "height width 3"]], nuclei: Sequence[Nuclei]
    ) -> Float32[np.ndarray, "tile feature"]:
        """A row a tile; bfloat16 on a GPU, as pathology networks are published for."""
        del nuclei
        rows = []
        for start in range(0, len(tiles), _BATCH):
            pixels = torch.from_numpy(np.stack([self._fitted(tile) for tile in tiles[start : start + _BATCH]]))
            batch = pixels.to(self._device).permute(0, 3, 1, 2).float()
            with torch.autocast(self._device.type, torch.bfloat16, enabled=self._device.type == "cuda"):
                found = self._model((batch - self._mean) / self._std)
            rows.append(found.float().cpu().numpy())
        return np.concatenate(rows).astype(np.float32)

    def _fitted(self, tile: np.ndarray) -> np.ndarray:
        """Resized, and cropped in the middle: for 224 pixels from 256, for 299 from 342."""
        if tile.shape[0] != self._resized_px:
            how = cv2.INTER_AREA if tile.shape[0] > self._resized_px else cv2.INTER_LINEAR
            tile = np.asarray(cv2.resize(tile, (self._resized_px, self._resized_px), interpolation=how), dtype=np.uint8)
        edge = round((self._resized_px - self._px) / 2)
        return tile[edge : edge + self._px, edge : edge + self._px]


def pretrained(name: str, folder: Path | None) -> Pretrained:
    """The backbone of this name, with the weights `<name>.safetensors` of the folder, or else those of a hub.

    Raises:
        ValueError: timm is not installed, knows no such model, or there are no weights that fit it.
    """
    try:
        timm = import_timm()
        expects_of = importlib.import_module("timm.data.config").resolve_model_data_config
    except (ImportError, RuntimeError) as error:  # RuntimeError: a torchvision built for another torch
        raise unusable(
            f"backbone {name}: timm cannot be imported ({error})",
            "install timm and the torchvision of this torch, or use the backbone `stain`, which needs neither",
        ) from error
    known = KNOWN.get(name, Known(name, _UNKNOWN_LICENCE))
    _refuse_unknown(name, known, timm.list_models())
    file = _local_file(name, folder, known)
    overlay = {**known.expects, **(_from_file(file) if file else {})}
    try:
        model = timm.create_model(
            known.timm, pretrained=True, num_classes=0, pretrained_cfg_overlay=overlay, **known.options
        )
    except Exception as error:  # timm and the hub's client each have errors of their own
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        problem = f"its weights in {file.name} cannot be loaded" if file else "no weights here, and none from a hub"
        raise unusable(
            f"backbone {name}: {problem} ({said})",
            f"put {name}.safetensors into the folder `slides.weights` of site.yaml",
        ) from error
    if file:
        _refuse_other_weights(name, file, model)
    return Pretrained(name, model, expects_of(model), _file_digest(file) if file else _digest(model), known.licence)


def _from_file(file: Path) -> dict[str, Any]:
    """For timm: this file of tensors, and not the loader of another format that it keeps for some architectures.

    The loader of `.npz` files that it has for ViT-L/16 takes no safetensors, in all versions from 1.0.26 to 1.0.30.
    """
    return {"file": str(file), "custom_load": False}


def _refuse_unknown(name: str, known: Known, models: Sequence[str]) -> None:
    """Names only: timm would also take an address or a folder, and the name comes from the federation."""
    model = known.timm.partition(".")[0]
    if model not in models:
        near = difflib.get_close_matches(model, [*KNOWN, *models], n=1)
        what = f"backbone {name}: neither `stain` nor {listing(list(KNOWN))} nor a model of this timm"
        raise unusable(what, f"did you mean {near[0]}?" if near else "")


def _refuse_other_weights(name: str, file: Path, model: nn.Module) -> None:
    """Timm leaves at random what a file does not hold."""
    with safe_open(file, "pt") as held:
        lacking = sorted(set(model.state_dict()) - set(held.keys()))
    if lacking:
        raise unusable(
            f"backbone {name}: {file.name} lacks {len(lacking)} of the network's tensors ({listing(lacking)})",
            "it must hold the weights under timm's names",
        )


def _local_file(name: str, folder: Path | None, known: Known) -> Path | None:
    """The site's own copy of the weights, if it has one; safetensors only, nothing that could run code."""
    file = folder / f"{name}.safetensors" if folder else None
    if file and file.is_file():
        return file
    if known.local_only:
        raise unusable(
            f"backbone {name}: its weights are handed out by their owner only ({known.licence})",
            f"put {name}.safetensors into the folder `slides.weights` of site.yaml",
        )
    return None


def _file_digest(file: Path) -> str:
    with file.open("rb") as held:
        return hashlib.file_digest(held, "sha256").hexdigest()


def _digest(model: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, weights in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(weights.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
