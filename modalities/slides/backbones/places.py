"""Where weights lie: in a site's folder; else on Hugging Face's hub, where there is a network and the hub's client."""

import importlib
from pathlib import Path

from modalities.core.problems import unusable
from modalities.slides.backbones.table import Encoder

PLACE = "the folder `slides.weights` of site.yaml"
_ENDINGS = (".safetensors", ".bin", ".pth")
_IN_FOLDER = ("model.safetensors", "pytorch_model.bin")


def weights_file(name: str, folder: Path | None) -> Path | None:
    """The site's own copy of an encoder's weights, if it has one.

    `NAME.safetensors`, else `.bin` or `.pth`; or a folder `NAME` with the files of its repository on a hub.
    """
    if folder is None:
        return None
    places = [folder / f"{name}{ending}" for ending in _ENDINGS] + [folder / name / file for file in _IN_FOLDER]
    return next((place for place in places if place.is_file()), None)


def from_hub(encoder: Encoder) -> Path:
    """The file of the encoder's repository, downloaded or from the client's cache.

    Raises:
        ValueError: the weights are on no hub, or it cannot be reached.
    """
    put = f"put {encoder.name}.safetensors into {PLACE}"
    if encoder.access == "gated":
        what = f"its weights are handed out by their owner only ({encoder.licence})"
        raise unusable(f"backbone {encoder.name}: {what}", f"ask at {_page(encoder)}, then {put}")
    if encoder.hub is None:
        what = f"no weights here, and its owner has them on no hub ({encoder.licence})"
        raise unusable(f"backbone {encoder.name}: {what}", f"fetch {encoder.sources[-1]}, then {put} (or .pth)")
    try:
        client = importlib.import_module("huggingface_hub")  # timm brings it
        return Path(client.hf_hub_download(encoder.hub["repo"], encoder.hub["file"]))
    except Exception as error:  # the client and what it stands on each have errors of their own
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        what = f"no weights here, and none from a hub ({said})"
        raise unusable(f"backbone {encoder.name}: {what}", f"{put}; they are on {_page(encoder)}") from error


def _page(encoder: Encoder) -> str:
    pages = [source for source in encoder.sources if source.startswith("https://huggingface.co/")]
    return pages[0] if pages else encoder.sources[0]
