"""The ``work`` command: one unit of a plan."""
