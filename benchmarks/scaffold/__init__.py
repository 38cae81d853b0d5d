"""The ``new-method`` and ``new-dataset`` commands: write a working plugin as a starting point."""
