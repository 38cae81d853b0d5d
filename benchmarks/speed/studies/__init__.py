"""Studies of speed and digits beside the comparison: a profile, fast paths one by one, half precision, a real run."""
