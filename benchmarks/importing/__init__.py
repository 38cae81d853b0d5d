"""The ``import`` command: keypoints in the files of another system become a method that can be run and ranked."""
