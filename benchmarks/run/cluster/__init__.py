"""Scripts that do a plan on a cluster."""
