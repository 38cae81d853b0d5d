"""What show makes of finished cells: attention maps, loss curves, the choice of tokens, keypoints inside the object."""
