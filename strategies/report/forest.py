"""The forest plot: values with their intervals, a line each, in bands with a heading."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.transforms import blended_transform_factory

from strategies.report.look import BAND, MUTED, WIDTH, ArmLook, draw, plain, text_width
from strategies.report.words import Json, interval, number, signed

GAP = 0.35  # of a line, between bands
_GAP_POINTS = 8.0  # beside the axis, and between a value and its interval


@dataclass(frozen=True)
class Line:
    """A value with its interval."""

    look: ArmLook
    estimate: Json
    label: str = ""
    """Beside the axis, where it is not the look's own."""
    is_leading: bool = False
    """Its number stands in bold."""
    dots: Sequence[float] = ()
    """Single values behind a mean."""


@dataclass(frozen=True)
class Band:
    """Lines that belong together."""

    heading: str
    lines: Sequence[Line]


def forest(bands: Sequence[Band], axis: str, title: str = "", *, differences: bool = False) -> Figure | None:
    """AUROCs from at most .5 to 1 with chance dashed, or `differences` around 0; None without any line."""
    if not bands:
        return None
    n_lines = sum(1 + len(band.lines) for band in bands) + GAP * len(bands)

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        _paint_bands(axes, bands, differences)
        _name_lines(axes, bands)
        _place_axis(axes, differences)
        axes.set_xlabel(axis)
        if title:
            figure.suptitle(title, x=0.008, ha="left", fontsize=13, fontweight="bold")

    return draw(WIDTH, 0.75 + 0.225 * n_lines + (0.4 if title else 0), paint)


def dot(axes: Axes, estimate: Json, y: float | int, look: ArmLook) -> None:
    """A value with its interval."""
    if estimate["low"] is not None:
        ends = [estimate["low"], estimate["high"]]
        axes.plot(ends, [y, y], color=look.colour, lw=2, solid_capstyle="butt", zorder=3)
    axes.plot(estimate["value"], y, look.marker, color=look.colour, ms=7, mec="white", mew=0.9, zorder=4)


def _paint_bands(axes: Axes, bands: Sequence[Band], differences: bool) -> None:
    """A heading line and one line a value in every band; the numbers stand to the right."""
    y, to_side = 0.0, blended_transform_factory(axes.transAxes, axes.transData)
    form = signed if differences else number
    beside = _GAP_POINTS + text_width([form(-0.111)], 9) + _GAP_POINTS
    for index, band in enumerate(bands):
        if index % 2 == 0:
            corner, height = (-2, y - (1 + GAP) / 2), 1 + len(band.lines) + GAP
            axes.add_patch(Rectangle(corner, 5, height, transform=to_side, color=BAND, lw=0, zorder=0, clip_on=False))
            axes.patches[-1].set_in_layout(False)
        for line in band.lines:
            y += 1
            _small_dots(axes, line, y)
            dot(axes, line.estimate, y, line.look)
            value = _beside_axis(axes, form(line.estimate["value"]), y, _GAP_POINTS)
            value.set_fontweight("bold" if line.is_leading else "normal")
            _beside_axis(axes, interval(line.estimate, form), y, beside)
        y += 1 + GAP
    axes.set_ylim(y - (1 + GAP) / 2, -(1 + GAP) / 2)


def _beside_axis(axes: Axes, text: str, y: float, points: float) -> Text:
    """Text that far to the right of the axis, however narrow long names leave that."""
    at = axes.get_yaxis_transform()
    return axes.annotate(text, (1, y), (points, 0), xycoords=at, textcoords="offset points", va="center", fontsize=9)


def _small_dots(axes: Axes, line: Line, y: float) -> None:
    if line.dots:
        places = [y] * len(line.dots)
        look = line.look
        axes.plot(line.dots, places, look.marker, color=look.colour, ms=3.6, alpha=0.38, mew=0, zorder=2)


def _name_lines(axes: Axes, bands: Sequence[Band]) -> None:
    """Headings and names at the left."""
    places, labels, y = [], [], 0.0
    for band in bands:
        labels += [band.heading, *("   " + (line.label or line.look.label) for line in band.lines)]
        places += [y + line for line in range(1 + len(band.lines))]
        y += 1 + len(band.lines) + GAP
    axes.set_yticks(places, labels, ha="left", fontsize=9.2)
    for text, label in zip(axes.get_yticklabels(), labels, strict=True):
        text.set_fontweight("normal" if label.startswith(" ") else "bold")
    axes.tick_params(axis="y", pad=text_width(labels, 9.2) + 4)


def _place_axis(axes: Axes, differences: bool) -> None:
    """The limits of the axis, and the dashed line: no difference, or chance."""
    low, high = axes.dataLim.x0, axes.dataLim.x1
    if differences:
        most = 1.1 * max(abs(low), abs(high), 0.01)
        axes.set_xlim(-most, most)
    else:
        axes.set_xlim(max(0.0, min(0.5, low) - 0.015), 1.0)
    axes.axvline(0.0 if differences else 0.5, color=MUTED, lw=1, ls=(0, (4, 3)))
    plain(axes)
    axes.spines["left"].set_visible(False)
