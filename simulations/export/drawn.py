"""What a figure shows, as numbers: read from the figure itself, so that they are those that were drawn."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FuncFormatter

from strategies.report.look import ARM_LOOKS

_COLUMNS = ["panel", "series", "kind", "x", "y", "x_label", "y_label", "value"]


def data_of(figure: Figure) -> pd.DataFrame:
    """A row a point: its panel, the series by its label or its arm's colour, where it is, and what the axes call that.

    A line's points stand in its order; the ends of an interval are a line of two. `value` is a cell of a matrix.
    """
    rows = [row for place, axes in enumerate(figure.axes, start=1) for row in _points(axes, place)]
    return pd.DataFrame(rows, columns=pd.Index(_COLUMNS)).dropna(axis=1, how="all")


def _points(axes: Axes, place: int) -> Iterator[dict[str, Any]]:
    panel = (axes.get_title(loc="left") or axes.get_title() or str(place)).replace("\n", ", ")
    for line in axes.lines:
        if line.get_transform().contains_branch(axes.transData) and line.get_transform() == axes.transData:
            kind = "line" if line.get_linestyle() != "None" else "points"
            yield from _rows(axes, panel, _series(line.get_label(), line.get_color()), kind, line.get_xydata())
    for bar in axes.patches:
        if hasattr(bar, "get_height") and bar.get_transform().contains_branch(axes.transData) and bar.get_in_layout():
            centre, top = bar.get_x() + bar.get_width() / 2, bar.get_y() + bar.get_height()  # pyright: ignore
            yield from _rows(axes, panel, _series(bar.get_label(), bar.get_facecolor()), "bar", [(centre, top)])
    for points in axes.collections:
        if isinstance(points, PathCollection):
            series = _series(points.get_label(), points.get_facecolor()[0])
            yield from _rows(axes, panel, series, "points", points.get_offsets())
        elif isinstance(points, PolyCollection):
            corners = points.get_paths()[0].vertices
            yield from _rows(axes, panel, _series(points.get_label(), points.get_facecolor()[0]), "band", corners)
    for image in axes.images:
        cells = np.asarray(image.get_array())
        for y, x in np.ndindex(*cells.shape[:2]):
            yield from _rows(axes, panel, "", "cell", [(x, y)], float(cells[y, x]))


def _rows(axes: Axes, panel: str, series: str, kind: str, places: Any, value: float | None = None) -> Iterator[Any]:
    for x, y in np.asarray(places, dtype=float):
        labels = {"x_label": _called(axes.xaxis, x), "y_label": _called(axes.yaxis, y)}
        yield {"panel": panel, "series": series, "kind": kind, "x": x, "y": y, **labels, "value": value}


def _series(label: object, colour: Any) -> str:
    """The label, or the arm whose colour it is."""
    if isinstance(label, str) and label and not label.startswith("_"):
        return label
    plain = colour if isinstance(colour, str) else tuple(colour)[:3]
    return next((arm for arm, look in ARM_LOOKS.items() if same_color(look.colour, plain)), "")


def _called(axis: Axis, at: float) -> str | None:
    """The tick's text at this place, on an axis of names; of the nearest, since series stand beside each other."""
    if not isinstance(axis.get_major_formatter(), FixedFormatter | FuncFormatter) or np.isnan(at):
        return None
    places = np.asarray(axis.get_majorticklocs(), dtype=float)
    texts = [tick.get_text().strip() for tick in axis.get_ticklabels()]
    nearest = int(np.abs(places - at).argmin()) if len(places) else 0
    is_number = all(text.replace(".", "", 1).rstrip(" %").isdigit() for text in texts)
    return None if is_number or not texts else texts[nearest]
