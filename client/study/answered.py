"""What the site trained for a study: one line a request, in `.tessera/answered`; `policy.max_rounds` is held to it."""

import hashlib

from client.node.home import Home


def count_round(home: Home, study: str, part: str, asked: str, most: int) -> None:
    """Count a request to train this part, for a study of these settings; in which run it is asked does not matter.

    A request that was answered before is answered again and not counted: the answer is the same to the last bit, as
    where a study is resumed, or repeats a round for which too few sites were there.

    Raises:
        ValueError: the part was trained `most` times.
        OSError: it cannot be counted; then the reply must not leave.
    """
    file, line = home.answered / study, f"{part} {asked}"
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    before = {other for other in lines if other.startswith(f"{part} ")}
    if line in before:
        return
    if len(before) >= most:
        raise ValueError(
            f"{part}: trained {most} times for a study of these settings, and policy.max_rounds in site.yaml allows no "
            "more; to begin anew, raise it, or `tessera-client leave` and join again"
        )
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as answered:
        answered.write(f"{line}\n")


def digest_of_request(weights: str, server_round: int, proximal_mu: float) -> str:
    """Tells requests to train a part apart, from the digest of its weights: equal digests, equal answers."""
    return hashlib.sha256(f"{weights} {server_round} {proximal_mu!r}".encode()).hexdigest()
