"""The ``regress`` command, a regression test: values of a small fixed grid are compared with committed references.

``leaderboard/reference`` holds the references, one file per part of the grid, and a log with the reason for each
update; ``tolerances.json`` says how far each kind of value may move.
"""
