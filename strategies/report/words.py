"""Numbers as text: n/a where there is none, a true minus sign, powers of 1000."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from strategies.evaluation.names import COMPLETE, FUSED

MINUS = "\N{MINUS SIGN}"
STILL_FALLING = 0.01
"""Of the whole fall of a held-out loss: more than this over the last tenth of its rounds is still falling."""
VERDICTS = {
    "equivalent": "equivalent, neither is better by {margin:g}",
    "not inferior": "not inferior, training together is not worse by {margin:g} and may be better by it",
    "superior": "superior, training together is better by more than {margin:g}",
    "inferior": "inferior, training together is worse by more than {margin:g}",
    "not shown": "equivalence is not shown, training together may be worse by {margin:g}",
}
"""What each verdict on federated minus another model means, in words."""
Number = float | int | None  # beartype takes `float` at its word
Json = Mapping[str, Any]


def set_label(name: str) -> str:
    """What a SET is called in the report."""
    return {COMPLETE: "Fused, complete cases", FUSED: "Fused, any case"}.get(name, name)


def number(value: Number, digits: int = 3) -> str:
    """0.912, or n/a."""
    return "n/a" if value is None else f"{value:.{digits}f}"


def signed(value: Number, digits: int = 3) -> str:
    """Always with its sign, a true minus sign; or n/a."""
    if value is None:
        return "n/a"
    text = f"{value:+.{digits}f}"
    return text.replace("-", MINUS) if float(text) else text[1:]


def percent(value: Number, digits: int = 0) -> str:
    """76 %, or n/a."""
    return "n/a" if value is None else f"{100 * value:.{digits}f} %"


def interval(estimate: Json | None, form: Any = number) -> str:
    """The interval: 0.899 to 0.932; nothing where there is none."""
    if not estimate or estimate.get("low") is None or estimate.get("high") is None:
        return ""
    return f"{form(estimate['low'])} to {form(estimate['high'])}"


def shown(estimate: Json | None, form: Callable[[Number], str] = number) -> str:
    """0.912 (0.880 to 0.937), or n/a."""
    if not estimate or estimate.get("value") is None:
        return "n/a"
    ends = interval(estimate, form)
    return f"{form(estimate['value'])}{f' ({ends})' if ends else ''}"


def bytes_text(count: Number) -> str:
    """0, 812 B, 3.4 kB, 12.1 MB: powers of 1000."""
    if count is None:
        return "n/a"
    size, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while size >= 999.5 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return "0" if not count else f"{size:.0f} B" if units[0] == "B" else f"{size:.1f} {units[0]}"


def seconds_text(seconds: Number) -> str:
    """0.4 s, 34 s, 12 min 5 s, 1 h 4 min."""
    if seconds is None:
        return "n/a"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def verdict(estimate: Json | None) -> str:
    """What a paired difference allows one to say."""
    if not estimate or estimate.get("low") is None:
        return "not measurable"
    if estimate["low"] > 0:
        return "higher"
    return "lower" if estimate["high"] < 0 else "no clear difference"


def chance(p: float) -> str:
    """P = 0.012, or p < 0.001."""
    return "p < 0.001" if p < 0.001 else f"p = {number(p)}"


def late_fall(folds: Sequence[Sequence[float | None]]) -> float:
    """The fall of the folds' mean loss over the last tenth of the rounds, as a share of its whole fall."""
    shortest = min(map(len, folds), default=0)
    known = [losses[:shortest] for losses in folds]
    mean = [
        sum(at) / len(at) for losses in zip(*known, strict=True) if len(at := [x for x in losses if x is not None]) > 0
    ]
    if len(mean) < 3 or mean[0] <= mean[-1]:
        return 0.0
    return (mean[-1 - -(-len(mean) // 10)] - mean[-1]) / (mean[0] - mean[-1])
