"""The ``doctor`` command: every kept file against its digest, and repairs that need no model."""
