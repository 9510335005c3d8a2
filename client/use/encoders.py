"""`tessera-client encoders`: what can turn tiles into features, and which weights lie at this site."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from modalities.core.settings.site import SITE_FILE, read_site_config
from modalities.core.settings.sources import sources_of
from modalities.slides.backbones.places import weights_file
from modalities.slides.backbones.table import Encoder, encoders

_TCGA = {"yes": "yes", "no": "no", "unconfirmed": "not known"}
_ACCESS = {"free": "free", "gated": "on request"}


def weights_folder(site: Path) -> Path | None:
    """Where `prepare` looks for weights: the folder `slides.weights` of site.yaml.

    Raises:
        ValueError: there is no site.yaml, or it cannot be read.
    """
    sources = sources_of(site, read_site_config(site / SITE_FILE), [])
    named = next((source.slides.weights for source in sources.values()), "")
    return Path(named) if named else None


def rows_of(folder: Path | None, digests: bool = False) -> list[dict[str, Any]]:
    """Every encoder of the table as plain values, with the file of its weights in the folder, if there is one."""
    return [_row(encoder, weights_file(encoder.name, folder), digests) for encoder in encoders().values()]


def _row(encoder: Encoder, file: Path | None, digests: bool) -> dict[str, Any]:
    shown = ("name", "title", "width", "pixels", "um_px", "licence", "access", "tcga", "trained_on", "sources")
    here: dict[str, Any] = {"file": str(file) if file else "", "bytes": file.stat().st_size if file else 0}
    if digests and file:
        from modalities.slides.backbones.weights import file_digest

        here["sha256"] = file_digest(file)
    return {name: getattr(encoder, name) for name in shown} | {"unconfirmed": encoder.unconfirmed} | here


def _short(row: dict[str, Any]) -> str:
    """The file's name, after its folder's where that is the encoder's."""
    file = Path(row["file"])
    return f"{file.parent.name}/{file.name}" if file.parent.name == row["name"] else file.name


def show_encoders(rows: list[dict[str, Any]], folder: Path | None, console: Console) -> None:
    """As a table, and what it leaves out in words."""
    names = ("backbone", "features", "pixels", "µm/px", "licence", "weights", "TCGA", "here")
    table = Table(*names, box=None, pad_edge=False, header_style="bold")
    for column in table.columns:  # a name that is cut cannot be copied
        column.overflow = "fold"
    for column in table.columns[:4]:
        column.no_wrap = True
    table.columns[4].min_width = len("CC-BY-NC-ND-4.0:")
    for row in rows:
        um_px = "-" if row["um_px"] is None else f"{row['um_px']:g}" + "?" * ("um_px" in row["unconfirmed"])
        access = _ACCESS[row["access"]] + "?" * bool("access" in row["unconfirmed"])
        here = f"{_short(row)} ({row['bytes'] / 1e6:,.0f} MB)" if row["file"] else "-"
        cells = (row["name"], str(row["width"]), str(row["pixels"]), um_px, row["licence"], access)
        table.add_row(*cells, _TCGA[row["tcga"]], here)
    console.print(table)
    lines = [
        "`stain`, the default, needs no weights. On request: the owner of the weights hands them out.",
        "TCGA: whether its slides were trained on; scores on TCGA then flatter the encoder. ?: not confirmed.",
        f"Weights are looked for in {folder}." if folder else "No folder of weights: `slides.weights` of site.yaml.",
    ]
    lines += [f"{row['name']}: SHA-256 {row['sha256']}" for row in rows if "sha256" in row]
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False, markup=False)
