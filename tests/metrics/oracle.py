"""The protocols once more, from their formulas alone: plain Python floats and loops, no numpy, no cleverness."""

from __future__ import annotations

import math

Point = list[float]


def solve(matrix: list[list[float]], right: list[float]) -> list[float]:
    """Gaussian elimination with partial pivoting."""
    n = len(matrix)
    rows = [[*matrix[i], right[i]] for i in range(n)]
    for i in range(n):
        pivot = max(range(i, n), key=lambda r: abs(rows[r][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for r in range(i + 1, n):
            factor = rows[r][i] / rows[i][i]
            for c in range(i, n + 1):
                rows[r][c] -= factor * rows[i][c]
    solution = [0.0] * n
    for i in reversed(range(n)):
        rest = sum(rows[i][c] * solution[c] for c in range(i + 1, n))
        solution[i] = (rows[i][n] - rest) / rows[i][i]
    return solution


def regress(
    fit_keypoints, fit_landmarks, fit_visible, test_keypoints, origin=0.5, intercept=False, ridge=0.0
) -> list[list[Point]]:
    """Landmarks of the test images: for each landmark the normal equations over the images that show it.

    With an intercept features and targets are taken from their means over those images; the ridge is in units of
    the largest entry of the Gram matrix.
    """
    n_landmarks = len(fit_landmarks[0])
    predicted = [[[0.0, 0.0] for _ in range(n_landmarks)] for _ in test_keypoints]
    for landmark in range(n_landmarks):
        shown = [i for i in range(len(fit_keypoints)) if fit_visible[i][landmark]]
        flat = [[coordinate for point in fit_keypoints[i] for coordinate in point] for i in shown]
        size = len(flat[0])
        about = [sum(row[a] for row in flat) / len(flat) if intercept else origin for a in range(size)]
        design = [[value - shift for value, shift in zip(row, about, strict=True)] for row in flat]
        gram = [[sum(row[a] * row[b] for row in design) for b in range(size)] for a in range(size)]
        largest = max(max(row) for row in gram)
        for a in range(size):
            gram[a][a] += ridge * largest
        for axis in (0, 1):
            targets = [fit_landmarks[i][landmark][axis] for i in shown]
            level = sum(targets) / len(targets) if intercept else origin
            moments = [
                sum(row[a] * (target - level) for row, target in zip(design, targets, strict=True)) for a in range(size)
            ]
            weights = solve(gram, moments)
            for i, keypoints in enumerate(test_keypoints):
                row = [coordinate for point in keypoints for coordinate in point]
                terms = [w * (x - shift) for w, x, shift in zip(weights, row, about, strict=True)]
                predicted[i][landmark][axis] = sum(terms) + level
    return predicted


def positive(landmarks, visible) -> list[list[bool]]:
    """Visible landmarks with both coordinates above 0."""
    return [
        [seen and point[0] > 0 and point[1] > 0 for point, seen in zip(points, shown, strict=True)]
        for points, shown in zip(landmarks, visible, strict=True)
    ]


def truncated(landmarks, side=256) -> list[list[Point]]:
    return [[[int(value * side) / side for value in point] for point in points] for points in landmarks]


def in_boxes(images, boxes) -> list[list[Point]]:
    """Points of each image in sides of its box (x, y, width, height)."""
    return [
        [[(x - left) / width, (y - top) / height] for x, y in points]
        for points, (left, top, width, height) in zip(images, boxes, strict=True)
    ]


def distance(a: Point, b: Point) -> float:
    return math.sqrt((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2)


def interocular(predicted, landmarks, visible, eyes=(0, 1)) -> float:
    total = 0.0
    for guess, truth in zip(predicted, landmarks, strict=True):
        between = distance(truth[eyes[0]], truth[eyes[1]])
        total += sum(distance(g, t) / between for g, t in zip(guess, truth, strict=True)) / len(truth)
    return 100 * total / len(landmarks)


def interocular_visible(predicted, landmarks, visible, eyes=(0, 1)) -> float:
    """An image counts only if both eyes are visible."""
    found = []
    for guess, truth, shown in zip(predicted, landmarks, visible, strict=True):
        if shown[eyes[0]] and shown[eyes[1]]:
            errors = [distance(g, t) for g, t, seen in zip(guess, truth, shown, strict=True) if seen]
            found.append(sum(errors) / len(errors) / distance(truth[eyes[0]], truth[eyes[1]]))
    return 100 * sum(found) / len(found)


def side(predicted, landmarks, visible) -> float:
    total = 0.0
    for guess, truth, shown in zip(predicted, landmarks, visible, strict=True):
        errors = [distance(g, t) for g, t, seen in zip(guess, truth, shown, strict=True) if seen]
        total += sum(errors) / len(errors)
    return 100 * total / len(landmarks)


def side_micro(predicted, landmarks, visible) -> float:
    return relative(predicted, landmarks, visible) * 100 / 128


def summed_absolute(predicted, landmarks, visible) -> float:
    """Over landmarks and axes, the mean absolute error in pixels over the images that show the landmark."""
    total = 0.0
    for landmark in range(len(landmarks[0])):
        shown = [i for i in range(len(landmarks)) if visible[i][landmark]]
        for axis in (0, 1):
            errors = [abs(256 * predicted[i][landmark][axis] - 256 * landmarks[i][landmark][axis]) for i in shown]
            total += sum(errors) / len(errors)
    return total


def backward(predicted, keypoints, landmarks, eyes=(0, 1)) -> float:
    """Keypoints regressed from landmarks: summed distances over K times the distance between the eyes."""
    total = 0.0
    for guess, truth, marks in zip(predicted, keypoints, landmarks, strict=True):
        between = distance(marks[eyes[0]], marks[eyes[1]])
        total += sum(distance(g, t) for g, t in zip(guess, truth, strict=True)) / (len(truth) * between)
    return 100 * total / len(keypoints)


def cumulative(predicted, landmarks, visible) -> float:
    total = 0.0
    for guess, truth, shown in zip(predicted, landmarks, visible, strict=True):
        for g, t, seen in zip(guess, truth, shown, strict=True):
            if seen:
                total += distance([256 * v for v in g], [256 * v for v in t])
    return total / len(landmarks)


def pck6(predicted, landmarks, visible) -> float:
    hits = count = 0
    for guess, truth in zip(predicted, landmarks, strict=True):
        for g, t in zip(guess, truth, strict=True):
            count += 1
            if distance([256 * v for v in g], [256 * v for v in t]) < 6:
                hits += 1
    return 100 * hits / count


def relative(predicted, landmarks, visible) -> float:
    errors = []
    for guess, truth, shown in zip(predicted, landmarks, visible, strict=True):
        errors += [128 * distance(g, t) for g, t, seen in zip(guess, truth, shown, strict=True) if seen]
    return sum(errors) / len(errors)


def shares_of_sides(predicted, landmarks, visible, pairs) -> dict[str, float]:
    """Percentages of landmarks near the right place, near the partner's, and elsewhere; pairs 5 % apart or more."""
    count = {"near": 0, "mirror": 0, "elsewhere": 0}
    for guess, truth, shown in zip(predicted, landmarks, visible, strict=True):
        for one, other in [*pairs, *((b, a) for a, b in pairs)]:
            apart = distance(truth[one], truth[other])
            if not (shown[one] and shown[other]) or apart < 0.05:
                continue
            if distance(guess[one], truth[one]) < apart / 2:
                count["near"] += 1
            elif distance(guess[one], truth[other]) < apart / 2:
                count["mirror"] += 1
            else:
                count["elsewhere"] += 1
    return {side: 100 * number / sum(count.values()) for side, number in count.items()}


def swapped(points: list[Point], pairs) -> list[Point]:
    points = list(points)
    for left, right in pairs:
        points[left], points[right] = points[right], points[left]
    return points


def mean_distance(guess, truth) -> float:
    return sum(distance(g, t) for g, t in zip(guess, truth, strict=True)) / len(truth)


def human36m(fit_keypoints, fit_landmarks, test_keypoints, test_landmarks, pairs) -> float:
    """Fit, swap the labels that fit better swapped, again until at most ten want to; at test the better of two."""
    everything = [[True] * len(fit_landmarks[0])] * len(fit_landmarks)
    labels = [list(points) for points in fit_landmarks]
    while True:
        guesses = regress(fit_keypoints, labels, everything, fit_keypoints)
        wants = [
            i
            for i, guess in enumerate(guesses)
            if mean_distance(guess, swapped(labels[i], pairs)) < mean_distance(guess, labels[i])
        ]
        if len(wants) <= 10:
            break
        for i in wants:
            labels[i] = swapped(labels[i], pairs)
    total = 0.0
    for guess, truth in zip(regress(fit_keypoints, labels, everything, test_keypoints), test_landmarks, strict=True):
        total += 128 * min(mean_distance(guess, truth), mean_distance(swapped(guess, pairs), truth))
    return total / len(test_landmarks)
