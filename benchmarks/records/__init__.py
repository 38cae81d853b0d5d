"""Records of runs, their provenance, and their mirror in MLflow."""
