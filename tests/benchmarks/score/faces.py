"""Synthetic faces whose scores the tests compute by themselves, and their files."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.io
import torch

ROWS = {"fit": 60, "test": 25}
K, L = 4, 5
EYES = ("--normalizer", "interocular:0,1")


def world(seed=0):
    """Faces whose landmarks are noisy mixtures of the keypoints: the four arrays by the names of their options."""
    generator = np.random.default_rng(seed)
    mix = generator.dirichlet(np.ones(K), L)
    found = {}
    for side, rows in ROWS.items():
        keypoints = generator.uniform(0.1, 0.9, (rows, K, 2))
        found[f"{side}-pred"] = keypoints
        found[f"{side}-gt"] = np.clip(mix @ keypoints + generator.normal(0, 0.02, (rows, L, 2)), 0.01, 0.99)
        found[f"{side}-gt"][:, 1, 0] += 0.3  # the eyes apart
    return found


WORLD = world()


def predicted(arrays, visible=None, origin=0.5):
    """Landmarks of the test images, by the normal equations about the origin for each landmark."""
    design = (arrays["fit-pred"] - origin).reshape(ROWS["fit"], -1)
    features = (arrays["test-pred"] - origin).reshape(ROWS["test"], -1)
    found = np.empty((ROWS["test"], L, 2))
    for landmark in range(L):
        shown = np.ones(ROWS["fit"], bool) if visible is None else visible[:, landmark]
        rows, targets = design[shown], arrays["fit-gt"][shown, landmark] - origin
        found[:, landmark] = features @ np.linalg.solve(rows.T @ rows, rows.T @ targets) + origin
    return found


def interocular(arrays, origin=0.5):
    truth = arrays["test-gt"]
    errors = np.sqrt(((predicted(arrays, origin=origin) - truth) ** 2).sum(-1))
    between = np.sqrt(((truth[:, 0] - truth[:, 1]) ** 2).sum(-1))
    return 100 * float((errors.mean(1) / between).mean())


def save(folder, arrays, kind="npy"):
    """Write arrays by name and give the options that name the files."""
    options = []
    for name, values in arrays.items():
        path = folder / f"{name}.{kind}"
        flat = values.reshape(len(values), -1)
        if kind == "npy":
            np.save(path, values)
        elif kind == "npz":
            np.savez(path, points=values)
        elif kind == "mat":
            scipy.io.savemat(path, {"points": values})
        elif kind == "pt":
            torch.save(torch.from_numpy(values.copy()), path)
        elif kind == "csv":
            path.write_text("\n".join(",".join(map(repr, row)) for row in flat.tolist()))
        else:
            pq.write_table(pa.table({"image_id": [f"{row}.png" for row in range(len(flat))], "p": flat.tolist()}), path)
        options += [f"--{name}", str(path)]
    return options


def scores(out):
    return {found["protocol"]: found for found in json.loads(out)["scores"]}
