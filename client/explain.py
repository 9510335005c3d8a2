"""`tessera-client explain`: what each tile of a case's slides adds to the prediction of each slide branch."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from safetensors.numpy import load

from client.heatmap import geojson, heatmap
from modalities.core.cases import Site, open_site
from modalities.core.federation import Federation, federation_from
from modalities.core.predict import FittedBranch
from modalities.core.registry import plugin
from modalities.slides.contributions import Contributions
from modalities.slides.source import needs_extra


@needs_extra
def explain_case(folder: Path, release: Path, case_id: str, out: Path, label: str = "") -> list[tuple[str, str, Path]]:
    """Write a picture and a GeoJSON for each slide and branch; gives (modality, class, picture) of each.

    Without `label`, a branch explains the class that it predicts.

    Raises:
        ValueError: the release cannot be read, the class or the case is unknown, or no branch of it explains itself.
    """
    federation, model = _settings(release)
    classes = list(federation.task.classes)
    if label and label not in classes:
        raise ValueError(f"no class {label!r}; the release knows {', '.join(classes)}")
    site = open_site(folder, federation.task)
    if case_id not in site.cases.index:
        raise ValueError(f"no case {case_id!r} in the site's cases.csv")
    written = []
    for name in _explained(site, federation, model):
        config, module = federation.modalities[name], plugin(federation.modalities[name].kind)
        fitted = _branch(release, model, federation, name)
        branch = fitted.build(federation.n_classes)
        asked = classes.index(label) if label else None
        shown, slides = module.explain(site.sources[name], config, fitted.state, branch, case_id, asked)  # pyright: ignore
        for found in slides:
            written.append((name, classes[shown], _write(site, name, found, classes[shown], out)))
    return written


def _explained(site: Site, federation: Federation, model: dict[str, Any]) -> Iterator[str]:
    """The modalities that can: of the release, of the site, and with tiles to show."""
    released = [name for name in federation.modalities if name in model["modalities"]]
    able = [name for name in released if hasattr(plugin(federation.modalities[name].kind), "explain")]
    held = [name for name in able if name in site.sources]
    if not held:
        raise ValueError(
            f"nothing to explain: the release's slide branches are {', '.join(able) or 'none'}, "
            f"and the site has sources for {', '.join(site.sources) or 'none'}"
        )
    yield from held


def _write(site: Site, name: str, found: Contributions, label: str, out: Path) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    stem = out / f"{name}-{found.slide.slide}"
    stem.with_name(f"{stem.name}.geojson").write_text(json.dumps(geojson(found, label)), encoding="utf-8")
    picture = stem.with_name(f"{stem.name}.png")
    picture.write_bytes(heatmap(found, label, site.sources[name]))
    return picture


def _settings(release: Path) -> tuple[Federation, dict[str, Any]]:
    try:
        model = json.loads((release / "model.json").read_text(encoding="utf-8"))
        return federation_from(model["federation"]), model
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{release}: no release that this version reads: model.json: {error}") from error


def _branch(release: Path, model: dict[str, Any], federation: Federation, name: str) -> FittedBranch:
    """The branch of the release, whose file must be the one that model.json names."""
    path = f"branches/{name}.safetensors"
    try:
        content = (release / path).read_bytes()
    except OSError as error:
        raise ValueError(f"{release}: {path} is missing; copy the whole release again") from error
    if hashlib.sha256(content).hexdigest() != model["files"].get(path):
        raise ValueError(f"{release}: {path} has changed since the release; copy the whole release again")
    arrays = load(content)
    state = {key.removeprefix("state."): array for key, array in arrays.items() if key.startswith("state.")}
    weights = {key.removeprefix("weight."): array for key, array in arrays.items() if key.startswith("weight.")}
    return FittedBranch(federation.modalities[name], state, weights)
