"""The ``submit`` command: checks a folder of ``submissions/`` and computes its rows from the predictions in it."""
