"""Data on disk: what is there and what is missing, whether it is whole, and getting it where that is allowed."""
