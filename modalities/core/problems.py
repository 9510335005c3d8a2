"""What is wrong with an input: all of it at once."""


def check(problems: list[str]) -> None:
    """Raise one ValueError that lists every problem, if there is any."""
    if problems:
        raise ValueError("; ".join(problems))
