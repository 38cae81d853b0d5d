"""Completion of command lines in bash and zsh: the script for the shell, and the names that options can take.

The program is ``python -m benchmarks``, which is no command of its own. The script therefore completes ``python``, and
asks this program for answers where the next words are ``-m benchmarks``; elsewhere it completes names of files.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Literal

Shell = Literal["bash", "zsh"]
Names = Callable[[str], list[str]]

VARIABLE = "_BENCHMARKS_COMPLETE"  # by which the script asks for answers

_BASH = f"""\
_benchmarks_completion() {{
    local IFS=$'\\n'
    COMPREPLY=()
    if [[ "${{COMP_WORDS[1]}} ${{COMP_WORDS[2]}}" == "-m benchmarks" && $COMP_CWORD -gt 2 ]]; then
        local words="${{COMP_WORDS[*]:2}}"
        COMPREPLY=( $( env COMP_WORDS="${{words//$IFS/ }}" COMP_CWORD=$(( COMP_CWORD - 2 )) \\
            {VARIABLE}=complete_bash "$1" -m benchmarks 2>/dev/null ) )
    fi
}}
complete -o bashdefault -o default -F _benchmarks_completion python python3
"""
_ZSH = f"""\
_benchmarks_completion() {{
    if [[ "${{words[2]}} ${{words[3]}}" == "-m benchmarks" && $CURRENT -gt 3 ]]; then
        eval $(env _TYPER_COMPLETE_ARGS="${{words[3,$CURRENT]}}" \\
            {VARIABLE}=complete_zsh "${{words[1]}}" -m benchmarks 2>/dev/null)
    else
        _files
    fi
}}
(( $+functions[compdef] )) || {{ autoload -Uz compinit && compinit -u }}
compdef _benchmarks_completion python python3
"""


def script(shell: Shell) -> str:
    """The text that a shell evaluates to complete the command line of this program."""
    return {"bash": _BASH, "zsh": _ZSH}[shell]


def answering() -> None:
    """Prepare typer to answer the question of a script, if one is asked."""
    if VARIABLE in os.environ:
        from typer.completion import get_completion_inspect_parameters

        get_completion_inspect_parameters()  # registers typer's way of reading the question


def starting(known: Callable[[], Iterable[str]]) -> Names:
    """A completer for typer: the known names that begin with what is typed."""

    def found(incomplete: str) -> list[str]:
        return [name for name in known() if name.startswith(incomplete)]

    return found


def _methods() -> Iterable[str]:
    from benchmarks.registry import IMPORTED, METHODS

    return [*METHODS.entries, IMPORTED]


def _datasets() -> Iterable[str]:
    from benchmarks.registry import DATASETS, SOURCES

    return [*DATASETS.entries, *(f"{name}:" for name in SOURCES.entries)]


def _formats() -> Iterable[str]:
    from benchmarks.registry import FORMATS

    return FORMATS.entries


def _tasks() -> Iterable[str]:
    from benchmarks.tasks import TASKS

    return TASKS


def _suites() -> Iterable[str]:
    from benchmarks.tasks import SUITES

    return SUITES


def _protocols() -> Iterable[str]:
    from metrics.protocols import FAMILIES, PROTOCOLS

    return ["all", *FAMILIES, *PROTOCOLS]


methods, datasets, formats = starting(_methods), starting(_datasets), starting(_formats)
tasks, suites, protocols = starting(_tasks), starting(_suites), starting(_protocols)
profiles = starting(lambda: ("mini", "paper"))
