"""The ``score`` command: any keypoints against any landmarks, without running or registering a method."""
