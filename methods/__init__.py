"""Methods under test, one file or folder each, named after its id.

``METHODS`` maps an id to ``("module:attribute", summary)``; nothing is imported until a method is asked for.
A package elsewhere adds its own through the entry point group ``keypoint_benchmarks.methods``.
"""

METHODS: dict[str, tuple[str, str]] = {
    "stable_keypoints": (
        "methods.stable_keypoints:StableKeypoints",
        "text tokens of a frozen diffusion model, optimised until their attention is a small Gaussian",
    ),
    "centre": ("methods.floors:Centre", "every keypoint at the image centre"),
    "grid": ("methods.floors:Grid", "a constant grid of points: the mean-pose floor"),
    "random_points": ("methods.floors:RandomPoints", "points drawn at random for every image"),
    "random_tokens": ("methods.floors:RandomTokens", "Stable Keypoints without optimisation"),
}
