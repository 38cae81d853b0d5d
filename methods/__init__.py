"""The methods of the benchmark, one file or folder each, named after the id.

``METHODS`` maps an id to ``("module:attribute", summary)``; nothing is imported until a method is asked for.
A package elsewhere adds its own through the entry point group ``keypoint_benchmarks.methods``.
"""

METHODS: dict[str, tuple[str, str]] = {
    "stable_keypoints": (
        "methods.stable_keypoints:StableKeypoints",
        "text tokens of a frozen diffusion model, optimised until their attention is a small Gaussian",
    ),
    "autolink": (
        "methods.autolink:AutoLink",
        "keypoints joined by learned edges, whose drawing helps to restore a masked image",
    ),
    "ppl": (
        "methods.ppl:PPL",
        "AutoLink's edges, drawn between the points of a learned template that is moved to each image",
    ),
    "imm": ("methods.imm:IMM", "keypoints that let one view of an image be reconstructed from another"),
    "thewlis": (
        "methods.thewlis:Thewlis",
        "heatmaps that follow known warps of an image and stay apart from each other",
    ),
    "lmdis": (
        "methods.lmdis:LMDIS",
        "keypoints and local descriptors from which an autoencoder draws the image again",
    ),
    "dift_kmeans": (
        "methods.dift_kmeans:DiftKmeans",
        "k-means clusters of a frozen diffusion model's features, located by nearest neighbours",
    ),
    "dino_kmeans": (
        "methods.dino_kmeans:DinoKmeans",
        "k-means clusters of a self-supervised vision transformer's features, located by nearest neighbours",
    ),
    "dff": (
        "methods.dff:DFF",
        "non-negative factors of a frozen network's features, located by their heat maps",
    ),
    "supervised": ("methods.supervised:Supervised", "a heatmap regressor that learns from landmarks, for comparison"),
    "centre": ("methods.floors:Centre", "every keypoint at the image centre"),
    "grid": ("methods.floors:Grid", "a constant grid of points, so that regression predicts the mean pose"),
    "random_points": ("methods.floors:RandomPoints", "points sampled at random for every image"),
    "random_tokens": ("methods.stable_keypoints.random_tokens:RandomTokens", "Stable Keypoints without optimisation"),
}
