"""The command lines of ``mirror``, ``ui`` and ``export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.options import UI_PORT, Output


def mirror(output: Output = Path("runs")) -> None:
    """Update MLflow from the records of a run directory; exit status 1 if some cells are left out."""
    from benchmarks.records.mlflow_mirror import mirror
    from benchmarks.records.mlflow_store import store_uri, without_secrets

    written, left_out = mirror(output)
    typer.echo(f"{written} records written to {without_secrets(store_uri(output))}")
    if left_out:
        typer.echo(f"cells left out: {left_out}; the lines above say why", err=True)
        raise typer.Exit(1)


def ui(
    output: Output = Path("runs"),
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")] = UI_PORT,
) -> None:
    """Serve MLflow's pages on this machine only (127.0.0.1)."""
    from benchmarks.records.mlflow_server import serve

    raise typer.Exit(serve(output, port))


def export(
    source: Annotated[Path, typer.Argument(help="The folder of a fit or of a cell, or a run directory with one fit.")],
    destination: Annotated[Path, typer.Argument(help="Folder for the files, such as embedding.pt and indices.pt.")],
) -> None:
    """Write a fit in the format of another program, such as tokens for the released code of Stable Keypoints.

    In the other direction, --set stable_keypoints.tokens=FOLDER predicts with such files or with another fit.
    """
    from benchmarks.records.export import export

    typer.echo(export(source, destination))
