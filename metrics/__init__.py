"""Pure functions on numpy float64 arrays: regression, errors, protocols, statistics."""
