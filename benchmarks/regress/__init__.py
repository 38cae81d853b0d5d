"""The gate: a fixed small grid of numbers against committed references, so that none moves unnoticed.

``leaderboard/reference`` holds a file of references a part of the grid, and the log of why they were rewritten.
"""
