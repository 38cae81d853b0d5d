"""The ``import`` command: what somebody's system wrote becomes keypoints by image id, to be scored and ranked."""
