"""Formats in which others' systems leave their keypoints, one file each, named after its id.

``FORMATS`` maps an id to ``("module:attribute", summary)``; nothing is imported until a format is asked for.
A package elsewhere adds its own through the entry point group ``keypoint_benchmarks.formats``.
"""

FORMATS: dict[str, tuple[str, str]] = {
    "neutral": ("methods.outputs.neutral:Neutral", "keypoints by image id: parquet, npz or csv"),
    "stable_keypoints": (
        "methods.outputs.stable_keypoints:StableKeypointsFiles",
        "source, target and visible .pt of Stable Keypoints (Hedlin et al. 2024)",
    ),
    "motion_cosegmentation": (
        "methods.outputs.motion_cosegmentation:MotionCosegmentation",
        "pickled data frames of file names and keypoints (Siarohin et al. 2020)",
    ),
    "autolink": (
        "methods.outputs.autolink:AutoLinkOutputs",
        "a checkpoint of the encoder, or det_keypoints (He et al. 2022)",
    ),
    "lmdis": ("methods.outputs.lmdis:Lmdis", "posterior_param.mat, whole or in pieces (Zhang et al. 2018)"),
    "scops": ("methods.outputs.scops:Scops", "pred_kp.npy, or {train,test}_{pred,gt}_kp.mat (Hung et al. 2019)"),
    "unsupervised_disentangling": (
        "methods.outputs.unsupervised_disentangling:UnsupervisedDisentangling",
        "keypoints_predicted.npz (Lorenz et al. 2019)",
    ),
    "imm": ("methods.outputs.imm:Imm", "gauss_yx and future_landmarks (Jakab et al. 2018)"),
    "ganseg": ("methods.outputs.ganseg:GanSeg", "part centroids and landmarks of test_seg.py (He et al. 2022)"),
    "coco_results": ("methods.outputs.coco_results:CocoResults", "a json list of COCO keypoint results"),
    "dlc": ("methods.outputs.dlc:Dlc", "csv or h5 of DeepLabCut, with likelihoods"),
}
