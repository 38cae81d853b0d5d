"""Three drawn worlds with exact ground truth: faces, birds and people, rendered by code from a seed.

Nothing is read from disk. A world's ``draw`` takes two random generators, one for what the object is (shape,
colours) and one for how it is seen (pose, camera, surroundings), and one number for how misaligned the camera is.
"""
