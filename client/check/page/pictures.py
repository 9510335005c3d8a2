"""How a number lies over the cases, beside what is plausible of it."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from modalities.core.hooks import Quantity
from strategies.report.look import ARM_LOOKS, BAND, MUTED, draw, plain, short

_BINS, _MARGIN = 30, 0.06
_INSIDE, _OUTSIDE = ARM_LOOKS["federated"].colour, ARM_LOOKS["local"].colour
_WIDTH, _HEIGHT = 3.4, 2.2  # inches; three stand side by side on a wide page, one on a narrow


def distribution(quantity: Quantity) -> Figure:
    """A histogram over the cases, the plausible range shaded and cases beyond it in another colour."""
    return draw(_WIDTH, _HEIGHT, lambda figure: _histogram(figure.add_subplot(), quantity))


def _histogram(axes: Axes, quantity: Quantity) -> None:
    known = quantity.values[np.isfinite(quantity.values)]
    low, high = _shown(quantity, known)
    is_inside = (known >= quantity.low) & (known <= quantity.high)
    bins = np.linspace(low, high, _BINS + 1)
    colours = [_INSIDE, _OUTSIDE]
    axes.axvspan(max(low, quantity.low), min(high, quantity.high), color=BAND, lw=0, zorder=0)
    for limit in (quantity.low, quantity.high):
        if np.isfinite(limit):
            axes.axvline(limit, color=MUTED, lw=1, ls=(0, (4, 3)), zorder=1)
    axes.hist([known[is_inside], known[~is_inside]], bins=bins.tolist(), color=colours, stacked=True, zorder=2)
    axes.set_xlim(low, high)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.set_title(short(quantity.name, 40))
    axes.set_xlabel(short(quantity.unit, 40))
    axes.set_ylabel("Count")
    plain(axes, "y")


def _shown(quantity: Quantity, known: np.ndarray) -> tuple[float, float]:
    """The axis: all values, and the limits of what is plausible where there are any."""
    ends = [*known, *(limit for limit in (quantity.low, quantity.high) if np.isfinite(limit))]
    low, high = float(min(ends)), float(max(ends))
    margin = _MARGIN * (high - low) or 0.5
    return low - margin, high + margin
