"""The ``status`` command: what a run directory holds, read without opening data, models or predictions."""
