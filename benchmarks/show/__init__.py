"""The ``show`` command: loss curves, attention maps, chosen tokens, and keypoints inside the object's box."""
