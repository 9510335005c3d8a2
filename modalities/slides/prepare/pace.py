"""How fast slides are prepared, and what holds them up."""

import time
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

READING, LOOKING, FITTING, ENCODING = "reading", "nuclei and sharpness", "resizing", "encoding"
WAITING = "waiting"
"""Of readers: for a place in memory that the device has emptied."""
_LATELY_S, _HARDLY = 30.0, 0.1


class Stopwatch:
    """Seconds by stage, of one reader."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._spent: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def on(self, stage: str) -> Iterator[None]:
        """What runs inside counts for the stage."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._spent[stage] += time.perf_counter() - began

    def taken(self) -> dict[str, float]:
        """What was spent since the last call."""
        spent, self._spent = dict(self._spent), defaultdict(float)
        return spent


class Pace:
    """Of all readers and the device together; may be read by another thread while it is kept."""

    def __init__(self) -> None:
        """Before anything was done."""
        self.n_tiles = 0
        """Tiles that have features."""
        self.seconds: defaultdict[str, float] = defaultdict(float)
        """By stage, summed over the readers; of encoding only where the readers do it."""
        self._idle_s, self._device_s = 0.0, 0.0
        self._first: float | None = None
        self._last = 0.0
        self._late: deque[tuple[float, int]] = deque(maxlen=1024)

    def spent(self, seconds: Mapping[str, float]) -> None:
        """What a reader spent on its stages."""
        if self._first is None:
            self._first = time.perf_counter() - sum(seconds.values())
        for stage, spent in seconds.items():
            self.seconds[stage] += spent

    def encoded(self, n_tiles: int) -> None:
        """So many tiles have features now."""
        self._last = time.perf_counter()
        self._late.append((self._last, n_tiles))
        self.n_tiles += n_tiles

    def device(self, seconds: float, busy: float) -> None:
        """For so long, this share of the device was at work."""
        self._device_s += seconds
        self._idle_s += seconds * (1 - busy)

    @property
    def device_waits(self) -> float | None:
        """Share of the time that the device stood still, from its first batch on; None: there is none."""
        return self._idle_s / self._device_s if self._device_s else None

    @property
    def tiles_s(self) -> float:
        """Tiles a second, from when the first began to be read to when the last had features."""
        return self.n_tiles / max(self._last - self._first, 1e-9) if self._first is not None else 0.0

    @property
    def tiles_s_lately(self) -> float:
        """Tiles a second of the last half minute."""
        now = time.perf_counter()
        late = [(when, n_tiles) for when, n_tiles in list(self._late) if now - when < _LATELY_S]
        return sum(n_tiles for _, n_tiles in late) / max(now - late[0][0], 1.0) if late else 0.0

    @property
    def slowest(self) -> str:
        """The stage that the others wait for; empty before anything was done.

        The device, if it hardly waits, or less of its time than readers wait for it; else the readers' longest stage.
        """
        stages = {stage: spent for stage, spent in list(self.seconds.items()) if stage != WAITING}
        if not stages or not sum(stages.values()):
            return ""
        waiting = self.seconds[WAITING] / (self.seconds[WAITING] + sum(stages.values()))
        if self.device_waits is not None and self.device_waits < max(waiting, _HARDLY):
            return ENCODING
        return max(stages, key=lambda stage: stages[stage])
