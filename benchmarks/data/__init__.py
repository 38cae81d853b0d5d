"""The ``data`` commands: report which datasets are on disk, verify them, and download those that may be."""
