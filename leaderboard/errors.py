"""The one error of this folder."""


class LeaderboardError(Exception):
    """A mistake that the user can mend, in one line: what, where, got, expected, what to do."""
