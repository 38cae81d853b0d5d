"""Speed of Stable Keypoints compared with the structure of the released code: ``python -m benchmarks.speed --help``."""
