"""The ``score`` command: anybody's keypoints against any landmarks, without running or registering anything."""
