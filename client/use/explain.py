"""`tessera-client explain`: what each tile of a case's slides adds to the prediction of each slide branch."""

import json
from collections.abc import Iterator
from pathlib import Path

from client.use.heatmap import geojson, heatmap
from modalities.core.registry import plugin
from modalities.core.release.release import Release
from modalities.core.site.cases import Site, open_site
from modalities.slides.nuclei.contributions import Contributions
from modalities.slides.reading.source import needs_extra


@needs_extra
def explain_case(
    folder: Path, release: Release, case_id: str, out: Path, label: str = ""
) -> list[tuple[str, str, Path]]:
    """Write a picture and a GeoJSON for each slide and branch; gives (modality, class, picture) of each.

    Without `label`, a branch explains the class that it predicts.

    Raises:
        ValueError: the class or the case is unknown, or no branch of the release explains itself.
    """
    federation = release.federation
    classes = list(federation.task.classes)
    if label and label not in classes:
        raise ValueError(f"no class {label!r}; the release knows {', '.join(classes)}")
    site = open_site(folder, federation.task)
    if case_id not in site.cases.index:
        raise ValueError(f"no case {case_id!r} in the site's cases.csv")
    written = []
    for name in _explained(site, release):
        config, module = federation.modalities[name], plugin(federation.modalities[name].kind)
        fitted = release.branch(name)
        branch = fitted.build(federation.n_classes)
        asked = classes.index(label) if label else None
        shown, slides = module.explain(site.sources[name], config, fitted.state, branch, case_id, asked)  # pyright: ignore
        for slide in slides:
            written.append((name, classes[shown], _write(site, name, slide, classes[shown], out)))
    return written


def _explained(site: Site, release: Release) -> Iterator[str]:
    """The modalities that can: of the release, of the site, and with tiles to show."""
    kinds = {name: release.federation.modalities[name].kind for name in release.modalities}
    able = [name for name, kind in kinds.items() if hasattr(plugin(kind), "explain")]
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
