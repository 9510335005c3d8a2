"""A curve over rounds, as SVG that stands in the page itself and says in words what it shows."""

from collections.abc import Sequence
from dataclasses import dataclass

Point = tuple[float, float]
WIDTH, HEIGHT = 320, 170
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 10, 10, 24


@dataclass(frozen=True)
class Trace:
    """One line: what it is of, and its points in the order of their rounds."""

    label: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Curve:
    """Lines over the same rounds."""

    title: str
    traces: tuple[Trace, ...]
    """One at least, each with a point at least."""

    @property
    def said(self) -> str:
        """The curve in a sentence a line, for whoever cannot see it."""
        return " ".join(f"{trace.label}: {_said(trace.points)}." for trace in self.traces)

    @property
    def paths(self) -> list[str]:
        """What an SVG path needs, for each line; one of a single point is a dot with round ends."""
        return [
            "M" + "L".join(self._place(point) for point in (*trace.points, trace.points[-1])) for trace in self.traces
        ]

    @property
    def heights(self) -> list[tuple[float, str]]:
        """Where lines of the grid lie, and the value of each."""
        low, high = self._values
        return [(self._y(value), _tick(value)) for value in (low, (low + high) / 2, high)]

    @property
    def rounds(self) -> list[tuple[float, str]]:
        """Where rounds are named below, and which."""
        first, last = self._rounds
        return [(self._x(at), f"{at:g}") for at in sorted({first, (first + last) // 2, last})]

    @property
    def _values(self) -> tuple[float, float]:
        return _span([value for trace in self.traces for _, value in trace.points])

    @property
    def _rounds(self) -> tuple[float, float]:
        at = [at for trace in self.traces for at, _ in trace.points]
        return min(at), max(*at, min(at) + 1)

    def _x(self, at: float) -> float:
        first, last = self._rounds
        return round(_LEFT + (at - first) / (last - first) * (WIDTH - _LEFT - _RIGHT), 1)

    def _y(self, value: float) -> float:
        low, high = self._values
        return round(HEIGHT - _BOTTOM - (value - low) / (high - low) * (HEIGHT - _TOP - _BOTTOM), 1)

    def _place(self, point: Point) -> str:
        return f"{self._x(point[0])} {self._y(point[1])}"


def _span(values: Sequence[float]) -> tuple[float, float]:
    """From the least to the greatest; around a value that stands alone."""
    low, high = min(values), max(values)
    return (low, high) if low < high else (low - max(abs(low), 1.0) / 10, high + max(abs(high), 1.0) / 10)


def _tick(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _said(points: Sequence[Point]) -> str:
    (first, begin), (last, end) = points[0], points[-1]
    least, value = min(points, key=lambda point: point[1])
    if first == last:
        return f"{begin:.4g} in round {first:g}"
    return f"{begin:.4g} in round {first:g}, {end:.4g} in round {last:g}, lowest {value:.4g} in round {least:g}"
