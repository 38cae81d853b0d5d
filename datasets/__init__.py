"""Datasets under test, one file each, named after its id.

``DATASETS`` maps an id to ``("module:attribute", summary)``; nothing is imported until a dataset is asked for. Other
packages add datasets through the entry point group ``keypoint_benchmarks.datasets``. ``SOURCES`` does the same for
kinds of custom data, with the group ``keypoint_benchmarks.sources``.

This folder's name is also that of a Hugging Face package. Libraries that look here for that package's classes and
functions get placeholder classes without instances, and functions that raise a clear ImportError.
"""

from typing import Any, NoReturn

_MINI = "datasets.mini"

DATASETS: dict[str, tuple[str, str]] = {
    "mini_celeba_aligned": (f"{_MINI}:CELEBA_ALIGNED", "drawn faces, upright and centred"),
    "mini_celeba_wild": (f"{_MINI}:CELEBA_WILD", "drawn faces, anywhere in the image"),
    "mini_cub_aligned": (f"{_MINI}:CUB_ALIGNED", "drawn birds, boxed and facing left"),
    "mini_cub_001": (f"{_MINI}:CUB_001", "drawn birds of species 1, 30 images to learn from"),
    "mini_cub_002": (f"{_MINI}:CUB_002", "drawn birds of species 2, 30 images to learn from"),
    "mini_cub_003": (f"{_MINI}:CUB_003", "drawn birds of species 3, 30 images to learn from"),
    "mini_cub_all": (f"{_MINI}:CUB_ALL", "drawn birds of every species"),
    "mini_taichi": (f"{_MINI}:TAICHI", "drawn people in wide poses"),
    "mini_deepfashion": (f"{_MINI}:DEEPFASHION", "drawn people standing before a plain wall"),
    "mini_human36m": (f"{_MINI}:HUMAN36M", "drawn people on black, boxed"),
    "mini_human36m_unaligned": (f"{_MINI}:HUMAN36M_UNALIGNED", "drawn people anywhere in a room"),
    "celeba_aligned": ("datasets.celeba:ALIGNED", "CelebA, aligned faces, MAFL's lists"),
    "celeba_wild": ("datasets.celeba:WILD", "CelebA in the wild, MAFL's lists without faces below 30 % of the image"),
    "celeba_wild_autolink": ("datasets.autolink:CELEBA_WILD", "the same from AutoLink's celeba_wild.h5"),
    "celeba_wild_lists": (
        "datasets.celeba_wild_lists:CELEBA_WILD_LISTS",
        "CelebA in the wild, learned on CelebA's training images (SCOPS' and MPAE's lists)",
    ),
    "mafl": ("datasets.mafl:MAFL", "aligned faces, learned on CelebA's training images, MAFL's lists"),
    "mafl_68": ("datasets.mafl:MAFL_68", "MAFL's lists with 68 landmarks (Mallis et al.)"),
    "aflw_mtfl": ("datasets.aflw_mtfl:AFLW_MTFL", "MTFL's lists, tested on crops of AFLW (AFLW-M)"),
    "aflw_recrops": ("datasets.aflw_recrops:AFLW_RECROPS", "AFLW, cropped again by Zhang et al. (AFLW-R)"),
    "cats": ("datasets.cats:CATS", "the CAT dataset, heads of cats with nine points"),
    "cub_001": ("datasets.cub:CUB_001", "CUB-200-2011 class 001, official split, square padded crops"),
    "cub_002": ("datasets.cub:CUB_002", "CUB-200-2011 class 002, official split, square padded crops"),
    "cub_003": ("datasets.cub:CUB_003", "CUB-200-2011 class 003, official split, square padded crops"),
    "cub_all": ("datasets.cub:CUB_ALL", "CUB-200-2011, all 200 classes, official split, square padded crops"),
    "cub_001_cmr": (
        "datasets.cub_cmr:CUB_001",
        "CUB class 001 on the cleaned lists of CMR, as Stable Keypoints has it",
    ),
    "cub_002_cmr": (
        "datasets.cub_cmr:CUB_002",
        "CUB class 002 on the cleaned lists of CMR, as Stable Keypoints has it",
    ),
    "cub_003_cmr": (
        "datasets.cub_cmr:CUB_003",
        "CUB class 003 on the cleaned lists of CMR, as Stable Keypoints has it",
    ),
    "cub_all_cmr": ("datasets.cub_cmr:CUB_ALL", "CUB, all classes, on the cleaned lists of CMR"),
    "cub_001_autolink": ("datasets.autolink:CUB_001", "CUB class 001 from AutoLink's cub.h5"),
    "cub_002_autolink": ("datasets.autolink:CUB_002", "CUB class 002 from AutoLink's cub.h5"),
    "cub_003_autolink": ("datasets.autolink:CUB_003", "CUB class 003 from AutoLink's cub.h5"),
    "cub_all_autolink": ("datasets.autolink:CUB_ALL", "CUB, all classes, from AutoLink's cub.h5"),
    "cub_aligned": ("datasets.cub_aligned:CUB_ALIGNED", "CUB, 158 classes, boxed and facing left (Lorenz et al.)"),
    "nabirds": ("datasets.nabirds:NABIRDS", "NABirds, 555 categories, official split, square padded crops"),
    "taichi": ("datasets.taichi:TAICHI", "Tai-Chi-HD frames with 18 joints found by OpenPose"),
    "deepfashion": ("datasets.deepfashion:DEEPFASHION", "DeepFashion in-shop, whole persons (Lorenz et al.'s lists)"),
    "human36m": ("datasets.human36m:HUMAN36M", "Human3.6M, six actions, boxed on black (Zhang et al.'s archive)"),
    "human36m_unaligned": (
        "datasets.human36m_unaligned:HUMAN36M_UNALIGNED",
        "Human3.6M, persons anywhere in the frame, from h36m-fetch's processed/",
    ),
}

# Custom data: the part before the colon of names such as coco:FILE.json; the factory gets the part after it.
SOURCES: dict[str, tuple[str, str]] = {
    "coco": ("datasets.coco:open_coco", "coco:FILE.json, any COCO-keypoints file beside its images"),
    "dlc": ("datasets.dlc:open_dlc", "dlc:FOLDER, a DeepLabCut project's CollectedData csv"),
    "folder": ("datasets.folder:open_folder", "folder:DIR, images without landmarks, for discovery alone"),
}

_HUGGING_FACE_CLASSES = ("Dataset", "IterableDataset", "DatasetDict", "IterableDatasetDict")
_HUGGING_FACE_FUNCTIONS = ("load_dataset", "load_from_disk", "concatenate_datasets")


class _NeverInstantiated:
    def __new__(cls) -> NoReturn:
        raise TypeError("a placeholder for a Hugging Face class; no object is an instance of it")


def _refuse(*args: object, **kwargs: object) -> NoReturn:
    raise ImportError(
        "'datasets' is this benchmark's own folder here, not the Hugging Face package; "
        "load Hugging Face data in a process started outside the repository"
    )


def __getattr__(name: str) -> Any:
    if name in _HUGGING_FACE_CLASSES:
        return _NeverInstantiated
    if name in _HUGGING_FACE_FUNCTIONS:
        return _refuse
    raise AttributeError(f"module 'datasets' has no attribute {name!r}")
