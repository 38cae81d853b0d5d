"""Adapters that read the files of other systems, one module per format, named after the id of the format.

``FORMATS`` maps an id to ``("module:attribute", summary)``; an adapter is imported at its first use. Other packages
add formats through the entry point group ``keypoint_benchmarks.formats``.
"""

FORMATS: dict[str, tuple[str, str]] = {
    "neutral": ("methods.adapters.neutral:Neutral", "keypoints by image id: parquet, npz or csv"),
    "stable_keypoints": (
        "methods.adapters.stable_keypoints:StableKeypointsFiles",
        "source, target and visible .pt of Stable Keypoints (Hedlin et al. 2024)",
    ),
    "motion_cosegmentation": (
        "methods.adapters.motion_cosegmentation:MotionCosegmentation",
        "pickled data frames of file names and keypoints (Siarohin et al. 2020)",
    ),
    "autolink": (
        "methods.adapters.autolink:AutoLinkOutputs",
        "a checkpoint of the encoder (model.ckpt), or det_keypoints (He et al. 2022)",
    ),
    "lmdis": ("methods.adapters.lmdis:Lmdis", "posterior_param.mat, whole or in numbered pieces (Zhang et al. 2018)"),
    "scops": ("methods.adapters.scops:Scops", "pred_kp.npy, or {train,test}_{pred,gt}_kp.mat (Hung et al. 2019)"),
    "unsupervised_disentangling": (
        "methods.adapters.unsupervised_disentangling:UnsupervisedDisentangling",
        "keypoints_predicted.npz (Lorenz et al. 2019)",
    ),
    "imm": ("methods.adapters.imm:Imm", "gauss_yx and future_landmarks of the evaluation (Jakab et al. 2018)"),
    "ganseg": (
        "methods.adapters.ganseg:GanSeg",
        "part centroids and landmarks, train_X, train_y, test_X, test_y (He et al. 2022)",
    ),
    "coco_results": (
        "methods.adapters.coco_results:CocoResults",
        "a json list of image_id, keypoints [x, y, s, ...], score",
    ),
    "dlc": ("methods.adapters.dlc:Dlc", "csv or h5 of scorer, bodyparts, coords (x, y, likelihood)"),
}
