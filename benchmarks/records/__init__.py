"""What a run keeps, where it came from, and its mirror in MLflow."""
