"""Synthetic images with exact ground truth: faces, birds and people, rendered by code from a seed.

Nothing is read from disk. ``draw`` takes one random generator for the object's identity (shape, colours), one for the
view (pose, camera, surroundings), and a ``View``, which says how misaligned the camera is.
"""
