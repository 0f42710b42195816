"""How many files and sockets a process may hold open: a thousand devices need more than the usual 1,024."""

import resource

from telemetry.errors import Refusal


def allow(needed: int, what: str) -> None:
    """Raises this process's soft limit so far that `what` (in the plural) finds room. Refuses where the hard limit is lower."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise Refusal(
            f"{what} need {needed} open files, and this system allows {hard}.",
            f"Raise the limit (ulimit -Hn {needed}, or LimitNOFILE in a unit of systemd), or run fewer.",
        )
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
