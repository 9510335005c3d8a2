"""What the site trained and scored for a study: one line a request, in `.tessera/answered`.

`policy.max_rounds` and `policy.max_evaluations` are held to it.
"""

import hashlib

from client.node.home import Home

_SCORED = "scored."
"""Before a part of a finished model; a line of training begins with the part alone."""


def count_round(home: Home, study: str, part: str, asked: str, most: int) -> None:
    """Count a request to train this part, for a study of these settings; in which run it is asked does not matter.

    A request that was answered before is answered again and not counted: the answer is the same to the last bit, as
    where a study is resumed, or repeats a round for which too few sites were there.

    Raises:
        ValueError: the part was trained `most` times.
        OSError: it cannot be counted; then the reply must not leave.
    """
    _count(home, study, part, asked, most, f"{part}: trained {most} times", "max_rounds")


def count_model(home: Home, study: str, part: str, asked: str, most: int) -> None:
    """Count a part of a finished model that this site scores, as `count_round` counts training.

    Raises:
        ValueError: `most` others were scored.
        OSError: it cannot be counted; then the model must not be scored.
    """
    what = f"{part}: asked to score a finished model, and {most} other{'s were' if most > 1 else ' was'} scored"
    _count(home, study, f"{_SCORED}{part}", asked, most, what, "max_evaluations")


def trained_for(home: Home, study: str) -> bool:
    """Whether this site trained for a study of these settings."""
    file = home.answered / study
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return any(not line.startswith(_SCORED) for line in lines)


def _count(home: Home, study: str, part: str, asked: str, most: int, what: str, setting: str) -> None:
    file, line = home.answered / study, f"{part} {asked}"
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    before = {other for other in lines if other.startswith(f"{part} ")}
    if line in before:
        return
    if len(before) >= most:
        raise ValueError(
            f"{what} for a study of these settings, and policy.{setting} in site.yaml allows no more; to begin anew, "
            "raise it, or `tessera-client leave` and join again"
        )
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as answered:
        answered.write(f"{line}\n")


def digest_of_request(weights: str, server_round: int, proximal_mu: float) -> str:
    """Tells requests to train a part apart, from the digest of its weights: equal digests, equal answers."""
    return hashlib.sha256(f"{weights} {server_round} {proximal_mu!r}".encode()).hexdigest()
