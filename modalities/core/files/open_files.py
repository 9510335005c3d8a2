"""How many files this user's programs may have open; every connection is one."""

import resource

from modalities.core.problems import Problem, check

FEW, MANY = 256, 1024
"""For a site, and for a coordinator of dozens of sites: four times what was seen, and more."""
_ENOUGH = 65536
"""A limit without end has programs look through a billion numbers."""


def open_files_problems(least: int) -> list[Problem]:
    """What to say where the machine allows fewer."""
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if allowed == resource.RLIM_INFINITY or allowed >= least:
        return []
    what = f"this user's programs may have {allowed} files open, connections among them, and {least:,} are wanted"
    return [Problem(what, "raise the limit: `ulimit -Hn`, limits.conf, or LimitNOFILE of the service")]


def allow_open_files(least: int) -> None:
    """Let this process, and all that it starts, have as many open as the machine allows.

    Raises:
        ValueError: those are fewer than the least.
    """
    check(open_files_problems(least))
    now, allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if allowed == resource.RLIM_INFINITY else min(allowed, _ENOUGH)
    if now != resource.RLIM_INFINITY and now < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, allowed))
