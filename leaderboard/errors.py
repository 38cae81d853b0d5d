"""The error that this package raises."""


class LeaderboardError(Exception):
    """A mistake that the user can fix; the message is one line: what, where, got, expected, what to do."""
