"""The ``leaderboard`` command."""
