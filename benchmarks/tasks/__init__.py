"""Tasks and suites: those of the paper's tables, those of installed packages, and new tasks on any other dataset."""

from benchmarks.tasks.catalogue import (
    SUITES,
    TASKS,
    Profile,
    Task,
    given_by,
    protocols_of,
    records_of_packages,
    too_few,
)
from benchmarks.tasks.naming import made_with_dataset, not_registered, options, plain_name, task_on

__all__ = [
    "SUITES",
    "TASKS",
    "Profile",
    "Task",
    "given_by",
    "made_with_dataset",
    "not_registered",
    "options",
    "plain_name",
    "protocols_of",
    "records_of_packages",
    "task_on",
    "too_few",
]
