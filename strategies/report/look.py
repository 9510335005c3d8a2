"""One look for every figure: colours a colour-blind reader can tell apart, a marker a printer can, and the export."""

import base64
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import ConstrainedLayoutEngine

INK, MUTED, RULE, BAND = "#1b2733", "#5b6875", "#d5dce3", "#f4f7fa"
WIDTH = 10.3  # inches; the page is 992 px wide
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#e8edf2",
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "text.parse_math": False,  # a site may be called "$ave"
    "svg.hashsalt": "tessera",  # the same results give the same bytes
}


@dataclass(frozen=True)
class ArmLook:
    """How an arm is named and drawn."""

    label: str
    colour: str
    marker: str


ARM_LOOKS = {
    "federated": ArmLook("Federated", "#0b62b0", "o"),
    "centralised": ArmLook("Centralised (pooled)", "#1b2733", "D"),
    "local": ArmLook("Local (mean of sites)", "#d55e00", "s"),
    "reference": ArmLook("Reference (scikit-learn)", "#009e73", "^"),
    "majority": ArmLook("Majority class", "#8a949e", "X"),
}


def draw(width: float, height: float, paint: Callable[[Figure], None]) -> Figure:
    """A figure in the house style; `paint` fills it. Inches.

    It is laid out here, once: with an engine that could still act, an export draws everything twice.
    """
    engine = ConstrainedLayoutEngine()
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout=engine)
        FigureCanvasAgg(figure)
        paint(figure)
        engine.execute(figure)
        figure.set_layout_engine(None)
    return figure


def svg_uri(figure: Figure) -> str:
    """The figure as a data URI for <img>: sharp at every zoom, nothing fetched, ids cannot clash between figures."""
    buffer = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, facecolor="white")
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()


def plain(axes: Axes, grid: str = "x") -> None:
    """Light grid on one axis, no tick marks."""
    axes.grid(axis=grid)  # type: ignore[arg-type]
    axes.tick_params(length=0)


def text_width(texts: Iterable[str], size: float) -> float:
    """How wide the widest of the texts is in bold, in points."""
    font = FontProperties(family=STYLE["font.family"], weight="bold", size=size)
    renderer = FigureCanvasAgg(Figure((1, 1), dpi=72)).get_renderer()
    return max(renderer.get_text_width_height_descent(text, font, ismath=False)[0] for text in texts)


def short(name: str, limit: int = 22) -> str:
    """A name that fits beside an axis."""
    return name if len(name) <= limit else name[: limit - 1] + "…"
