"""The ``data`` commands: report which datasets are on disk, verify them, and download those whose licence allows it."""
