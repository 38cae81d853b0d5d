"""The ``list`` and ``describe`` commands."""
