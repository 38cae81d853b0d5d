"""Stand-ins for sbatch, squeue, sacct and scontrol: ``commands.py NAME STATE ARGUMENT...``.

``STATE`` is the folder of a ``Cluster``. It has the configuration in ``config.json``, a file for each submitted job in
``jobs/``, and a file with the state of each task in ``tasks/``.
"""

import json
import re
import shutil
import sys
from pathlib import Path
from typing import NoReturn


def arguments_of(line):
    """The arguments of a line, by SLURM's own rules: backslash and both kinds of quotes, '#' begins a comment."""
    found: list[str] = []
    quote, escaped, inside = "", False, False
    for char in line:
        if escaped:
            found[-1] += char
            escaped = False
            continue
        if not inside and not quote:
            if char.isspace():
                continue
            if char == "#":
                break
            inside = True
            found.append("")
        if char == "\\":
            escaped = True
        elif quote:
            if char == quote:
                quote = ""
            else:
                found[-1] += char
        elif char in "\"'":
            quote = char
        elif char.isspace():
            inside = False
        elif char == "#":
            break
        else:
            found[-1] += char
    if quote:
        raise SystemExit(f"sbatch: error: Unmatched {quote} in [{line}]")
    return found


def options_of(script):
    """The options in the lines #SBATCH before the first command of a script."""
    found = {}
    for line in script.split("\n"):
        if line.startswith("#SBATCH"):
            for argument in arguments_of(line.removeprefix("#SBATCH")):
                name, _, value = argument.removeprefix("--").partition("=")
                found[name] = value
        elif line.strip() and not line.startswith("#"):
            break
    return found


def refuse(reason) -> NoReturn:
    raise SystemExit(f"sbatch: error: Batch job submission failed: {reason}")


def sbatch(state, *arguments):
    config = json.loads((state / "config.json").read_text())
    given = {}
    words = list(arguments)
    while words and words[0].startswith("--"):
        name, _, value = words.pop(0).removeprefix("--").partition("=")
        given[name] = value
    script = Path(words.pop(0))
    options = options_of(script.read_text()) | given
    array = re.fullmatch(r"(\d+)-(\d+)(%(\d+))?", options.get("array", "0-0"))
    if array is None:
        refuse("Invalid job array specification")
    first, last, _, limit = array.groups()
    if int(last) >= config["MaxArraySize"]:
        refuse("Invalid job array specification")
    jobs = state / "jobs"
    number = 100 + len(list(jobs.glob("*.json")))
    if number - 100 in config["refused"]:
        (jobs / f"{number}.json").write_text("null")
        refuse("Job violates accounting/QOS policy")
    needs = re.findall(r"\d+", options.get("dependency", ""))
    if needs and not options["dependency"].startswith("afterany:"):
        refuse("Job dependency problem")
    if any(not (jobs / f"{need}.json").exists() for need in needs):
        refuse("Job dependency problem")
    shutil.copyfile(script, jobs / f"{number}.sh")
    job = {"id": number, "first": int(first), "last": int(last), "limit": int(limit or 0), "needs": needs}
    (jobs / "new").write_text(json.dumps(job | {"options": options, "arguments": words}))
    (jobs / "new").rename(jobs / f"{number}.json")
    if number - 100 in config["timed_out"]:
        refuse("Socket timed out on send/recv operation")
    print(f"{number};toy" if "parsable" in options else f"Submitted batch job {number}")


def squeue(state, *arguments):
    (task,) = [word.partition("=")[2] for word in arguments if word.startswith("--jobs=")]
    kept = state / "tasks" / task
    if kept.exists() and "--format=%T" in arguments and "--noheader" in arguments:
        print(kept.read_text())


def sacct(state, *_):
    for task in sorted((state / "tasks").iterdir()):
        print(f"{task.name}|{task.read_text()}")


def scontrol(state, *arguments):
    if arguments[:2] == ("show", "config"):
        config = json.loads((state / "config.json").read_text())
        print(f"MaxArraySize            = {config['MaxArraySize']}")
        print("SchedulerParameters     = bf_continue" + config["scheduler"])
    elif arguments[0] == "requeue":
        (state / "requeue" / arguments[1]).touch()


if __name__ == "__main__":
    {"sbatch": sbatch, "squeue": squeue, "sacct": sacct, "scontrol": scontrol}[sys.argv[1]](
        Path(sys.argv[2]), *sys.argv[3:]
    )
