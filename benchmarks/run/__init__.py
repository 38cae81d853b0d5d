"""The ``run`` command: plan, fit, predict and score."""
