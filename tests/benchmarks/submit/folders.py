"""Right submissions on the toy datasets, for tests to submit or to spoil."""

import numpy as np

from tests.benchmarks.importing.toys import truth

CARD = {
    "name": '"My method"',
    "authors": '["Ada Lovelace"]',
    "licence": '"CC-BY-4.0"',
    "supervision": '"unsupervised"',
    "saw_landmarks": "false",
    "trained_on": '"nothing"',
    "submitted_by": '"ada"',
    "date": "2026-11-27",
}
PREDICTIONS = {"toy_many": '"points.csv"'}


def write_card(folder, predictions=PREDICTIONS, **fields):
    """Write the card with these fields, as TOML, in place of its own; None leaves a field out."""
    lines = [f"{name} = {value}" for name, value in (CARD | fields).items() if value is not None]
    lines += ["[predictions]", *(f"{task} = {value}" for task, value in predictions.items())]
    (folder / "card.toml").write_text("\n".join(lines) + "\n")


def rows_of(toys, name="many"):
    """The ids of both splits and the keypoints (N, 3, 2) that give the landmarks exactly."""
    found = [truth(toys, split, name) for split in ("regress", "test")]
    return [image_id for ids, _ in found for image_id in ids], np.concatenate([points for _, points in found])


def write_csv(path, ids, points):
    """Write keypoints (N, K, 2) as the neutral format's csv."""
    header = ",".join(["image_id", *(f"{axis}{point}" for point in range(points.shape[1]) for axis in "xy")])
    rows = [
        ",".join([name, *map(repr, row)]) for name, row in zip(ids, points.reshape(len(ids), -1).tolist(), strict=True)
    ]
    path.write_text("\n".join([header, *rows]) + "\n")


def submission(parent, toys, dataset="many", predictions=PREDICTIONS, **fields):
    """Write a folder ``my_method`` that is right, with ``points.csv``; returns it."""
    folder = parent / "my_method"
    folder.mkdir(parents=True)
    write_card(folder, predictions, **fields)
    write_csv(folder / "points.csv", *rows_of(toys, dataset))
    return folder
