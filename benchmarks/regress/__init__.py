"""The gate: a small fixed grid of values, compared with committed references so that none moves unnoticed.

``leaderboard/reference`` holds the references, a file for each part of the grid, and the log of why they were
rewritten; ``tolerances.json`` says how far each kind of value may move.
"""
