"""Helpers for imports on the toy datasets: files to import, command lines, and the records of runs."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from leaderboard.records import ResultRecord


def truth(toys, split, name="squares"):
    """Ids of a split, and the centres that its landmarks are linear in."""
    dataset = getattr(toys, name)(None)
    ids = dataset.split(split)
    return ids, np.stack([(dataset.corners(image_id) + 2) / 32 for image_id in ids])


def write(path, toys, name="squares", change=lambda points: points, splits=("regress", "test")):
    """Write the centres of all splits to one parquet file, in random order."""
    found = [truth(toys, split, name) for split in splits]
    ids = [image_id for ids, _ in found for image_id in ids]
    points = change(np.concatenate([points for _, points in found]))
    order = np.random.default_rng(0).permutation(len(ids))
    flat = points.reshape(len(ids), -1)
    pq.write_table(pa.table({"image_id": [ids[row] for row in order], "keypoints": flat[order].tolist()}), path)
    return path


def imported(call, toys, path, *more, task="toy", method="My Method"):
    write(path, toys, "many" if task == "toy_many" else "squares")
    return call("import", "neutral", path, "--task", task, "--method", method, *more)


def run(call, *methods, tasks=("toy",), more=("--no-floors",)):
    chosen = [part for method in methods for part in ("--method", method)]
    chosen += [part for task in tasks for part in ("--task", task)]
    return call("run", *chosen, "--no-mlflow", "--device", "cpu", *more)


def records(folder):
    found = [ResultRecord.model_validate_json(path.read_bytes()) for path in folder.glob("cells/*/result.json")]
    return {(record.method, record.task, record.seed): record for record in found}
