"""Refusals: what a user can meet, said as two sentences."""


class Refusal(Exception):
    """Something is not possible: `what` names the thing that is wrong, `remedy` what to do next."""

    def __init__(self, what: str, remedy: str) -> None:
        self.what = what
        self.remedy = remedy
        super().__init__(f"{what} {remedy}")
