"""Stable Keypoints timed beside a plain rendering of the released code: ``python -m benchmarks.speed --help``."""
