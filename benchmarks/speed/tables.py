"""The measurements as tables in Markdown, each time beside the least time that was predicted for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tabulate import tabulate

from benchmarks.speed.bars import GIB

Found = Mapping[str, Any]


def comparison(found: Found) -> str:
    """Seconds an image of both implementations, the predicted least, their ratios, and peak memory."""
    options, floor = found["options"], found["floor"]
    rows = []
    for task, sides in found["tasks"].items():
        for side, timing in sides.items():
            each = timing["median_seconds"] / options["batch"]
            least = floor["seconds_per_image"]["fit_latents_kept" if side == "ours_latents_kept" else task]
            peak = timing["peak_bytes"]
            times = found["speed_up"][task][side] if "speed_up" in found else None
            rows.append(
                [
                    task,
                    side.replace("_", " "),
                    _number(least),
                    _number(each),
                    _number(each / least),
                    _number(1 / each),
                    _number(times),
                    "" if peak is None else f"{peak / GIB:.2f}",
                ]
            )
    headers = ("task", "side", "least s/image", "s/image", "x least", "images/s", "speed-up", "peak GiB")
    rate, bandwidth = floor["matmul_flop_per_second"], floor["copy_bytes_per_second"]
    parts = ", ".join(f"{name} {value / 1e12:.3g}" for name, value in floor["flop_of_parts"].items())
    lines = [
        _title(options, found["platform"]),
        _pipe(headers, rows),
        f"TFLOP an image: {parts}. Matrix products {rate / 1e12:.3g} TFLOP/s, copies {bandwidth / 1e12:.3g} TB/s.",
    ]
    if "agreement" in found:
        lines += [agreement(found["agreement"]), "Peak memory includes the models of both sides."]
    return "\n\n".join(lines)


def agreement(found: Found) -> str:
    """Differences of the two implementations."""
    lines = []
    for task, differences in found.items():
        words = [f"{name} {value:.1e}" for name, value in differences.items() if name in _RELATIVE]
        if "keypoints_moved" in differences:
            words.append(f"{differences['keypoints_moved']} keypoints moved")
        if "within" in differences:
            words.append("within the bounds of float32" if differences["within"] else "not within those of float32")
        lines.append(f"Largest difference in {task}, relative to the largest value: {', '.join(words)}.")
    return "\n".join(lines)


_RELATIVE = ("losses", "gradient", "keypoints")


def profile(found: Found) -> str:
    """Milliseconds and calls by kind of work of a step and of a prediction, and the least for norms and maps."""
    floor, tasks = found["floor"], found["tasks"]
    batch = found["options"]["batch"]
    kinds = list(next(iter(tasks.values()))["milliseconds_by_kind"])
    headers = ["kind"] + [f"{task}, {column}" for task in tasks for column in ("least ms", "ms", "calls")]
    rows: list[list[Any]] = []
    for kind in kinds:
        row: list[Any] = [kind]
        for task, each in tasks.items():
            least = floor["seconds_of_bytes_per_image"].get(kind, {}).get(task)
            row += ["" if least is None else _number(1e3 * least * batch)]
            row += [_number(each["milliseconds_by_kind"][kind]), each["calls_by_kind"][kind]]
        rows.append(row)
    idle: list[Any] = ["idle"]
    whole: list[Any] = ["all"]
    for task, each in tasks.items():
        idle += ["", _number(each["idle_milliseconds"]), ""]
        least = 1e3 * batch * floor["seconds_per_image"][task]
        whole += [_number(least), _number(each["milliseconds"]), sum(each["calls_by_kind"].values())]
    return "\n\n".join([_title(found["options"], found["platform"]), _pipe(headers, [*rows, idle, whole])])


def variants(found: Found) -> str:
    """Seconds an image with all fast paths and without each."""
    batch = found["options"]["batch"]
    tasks = found["tasks"]
    headers = ["fast paths"] + [f"{task}, {column}" for task in tasks for column in ("s/image", "x all on")]
    rows = []
    for name in next(iter(tasks.values())):
        row: list[Any] = [name]
        for timings in tasks.values():
            row += [_number(timings[name]["median_seconds"] / batch), _number(timings[name]["times_all_on"])]
        rows.append(row)
    note = [] if found["switches_have_an_effect"] else ["On a CPU no fast path is used: all rows time the same work."]
    return "\n\n".join([_title(found["options"], found["platform"]), _pipe(headers, rows), *note])


def half(found: Found) -> str:
    """How far keypoints, losses and gradient move in half precision on the shipped model."""
    rows = [
        [name, f"{each['moved_far']:.2%}", *(f"{each[number]:.1e}" for number in ("farthest", "losses", "gradient"))]
        for name, each in found["half"].items()
    ]
    headers = ("half precision in", "moved by more than 1/128", "farthest (of the side)", "losses", "gradient")
    title = (
        f"The mini model, {found['images']} images with {found['keypoints']} keypoints, tokens after {found['steps']} "
        f"steps, beside float32, on {found['device']}"
    )
    return "\n\n".join([title, _pipe(headers, rows)])


def photographs(found: Found) -> str:
    """Speed on image files, and the share of time in which the CPU waits for them."""
    rows = [
        [task, _number(found[task]["images_per_second"]), f"{found[task]['share_waiting']:.1%}"]
        for task in ("fit", "predict")
    ]
    return "\n\n".join([f"{found['files']} files", _pipe(("task", "images/s", "waiting for images"), rows)])


def bars(found: Sequence[Found]) -> str:
    """Every bar, what was measured, and whether it is met."""
    met = {True: "yes", False: "no", None: "not measured"}
    rows = [[each["name"], each["bar"], _number(each["measured"]), met[each["met"]]] for each in found]
    return _pipe(("", "bar", "measured", "met"), rows)


def kernels(found: Found) -> str:
    """How far the first results of the kernels were from those of PyTorch's own functions."""
    rows = [
        [name, f"{apart:.1e}", "off" if each["failed"] else "on"]
        for each in found.values()
        for name, apart in each["largest"].items()
    ]
    return _pipe(("kernel", "largest difference from PyTorch's own", "at the end"), rows)


def everything(found: Found) -> str:
    """The whole record of ``--all``: the bars, then a table for each part."""
    facts = found["facts"]
    versions = ", ".join(f"{name} {facts[name]}" for name in ("torch", "triton", "diffusers") if facts.get(name))
    sections = [f"{facts.get('platform', facts['options']['device'])}, {versions}; {facts['release']}."]
    sections.append(bars(found["bars"]))
    if facts.get("kernels"):
        sections.append(kernels(facts["kernels"]))
    for name, part in found["parts"].items():
        sections.append(f"**{name}** ({part['seconds']:.0f} s)")
        sections += [f"Warning: {each}" for each in part.get("warnings", [])]
        if part["status"] == "done":
            sections.append(KINDS.get(name, comparison)(part["result"]))
        else:
            reason = str(part.get("error", "")).strip().split("\n")[-1]
            sections.append(f"{part['status']}{': ' if reason else ''}{reason}")
    return "\n\n".join(sections) + "\n"


def _title(options: Found, platform: str) -> str:
    off = f", without {', '.join(options['without'])}" if options["without"] else ""
    low = ", memory=low" if options["memory"] == "low" else ""
    what = f"{options['size']}, {options['dtype']}, batch {options['batch']}, {options['views']} views"
    return f"{what}{low}{off}, {platform}"


def _pipe(headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    return tabulate(rows, headers, tablefmt="pipe", disable_numparse=True)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


KINDS = {
    "profile": profile,
    "variants": variants,
    "half precision": half,
    "photographs": photographs,
}
