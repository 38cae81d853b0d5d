"""The commands ``agreement`` and ``correlation``: what several cells say of measures without landmarks."""
