"""A long study whose sites come and go: does anything grow, is any round lost, does any log say what nobody expects?

    python -m benchmarks.soak --rounds 400 --seed 0 --out runs/soak

Coordinator, gateway and three sites are processes of one machine, over TLS and with keys of their own, on a table of a
few made-up columns. Site 1 stays; sites 2 and 3 are ended or killed and come back, at rounds and for seconds drawn from
the seed. A round counts with all three sites, and waits for who is away, so the study must end with the weights of one
that nothing disturbed, which the inline engine computes on the same folders. `--out` is a new folder; it keeps
everything, the values that the slopes are of (samples.jsonl) included.
"""

import argparse
import json
import signal
import sys
from collections import Counter
from pathlib import Path

from benchmarks.measure import aligned, machine
from benchmarks.soak.run import Soak
from benchmarks.soak.samples import DISK, Trend
from benchmarks.soak.unexplained import Rule, sorted_out

WARM_UP = 100
"""Rounds after which nothing may grow any more."""
_TOLERANCE, _KB = 1e-6, 0.05


def main() -> None:
    """Run it, print what was seen, and fail where weights differ or a line has no reason."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="a new folder for everything")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is ended
    soak = Soak(arguments.out.resolve(), arguments.rounds, arguments.seed)
    try:
        soak.run()
    finally:
        rows = map(json.dumps, soak.samples.rows())
        (arguments.out / "samples.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    off = soak.off()
    explained, unexplained = sorted_out(soak.logs())
    since = min(WARM_UP, arguments.rounds // 2)
    print(f"{machine()}; {arguments.rounds} rounds in {soak.seconds / 60:.0f} min, seed {arguments.seed}")
    print(f"away: {', '.join(f'{site} {n} times' for site, n in sorted(soak.away.items())) or 'nobody'}")
    print(f"largest difference from the undisturbed weights: {off:.1e}\n")
    print(f"from round {since} on, per 100 rounds:\n{table(soak.samples.trends(since))}\n")
    print(said(explained, unexplained))
    sys.exit(1 if off > _TOLERANCE or unexplained else 0)


def table(trends: dict[tuple[str, str], Trend]) -> str:
    """A line for each figure of a process, and for each file and folder that is not as large as ever."""
    rows = [("whose", "what", "per 100 rounds", "first", "last", "lives")]
    for (owner, what), own in trends.items():
        if what == DISK and abs(own.slope or 0.0) < _KB:
            continue
        slope = "-" if own.slope is None else f"{own.slope:+.1f}"
        rows.append((owner, what, slope, f"{own.first:.0f}", f"{own.last:.0f}", str(own.lives)))
    return aligned(rows)


def said(explained: Counter[Rule], unexplained: Counter[str]) -> str:
    """Warnings and errors of all logs: how many each rule explains, and those that none does."""
    lines = [f"{n} x {rule.program}: {rule.text}: {rule.why}" for rule, n in explained.most_common()]
    lines += ["", f"unexplained: {unexplained.total()}"]
    return "\n".join([*lines, *(f"{n} x {line}" for line, n in unexplained.most_common())])


if __name__ == "__main__":
    main()
