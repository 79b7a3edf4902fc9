"""Options that several verbs take."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.runtime.cluster import DASK

Seed = Annotated[
    int, typer.Option(min=0, max=2**32 - 1, help="Seed of every random choice of this step.")
]
Images = Annotated[Path, typer.Option(help="Images written by `tunescope dataset`, .npy.")]
Table = Annotated[Path, typer.Option(help="Their table: id, file, split and label, .parquet.")]
Metric = Annotated[
    Literal["euclidean", "cosine"],
    typer.Option(
        "--metric", help="euclidean, or cosine: distances of features scaled to unit length."
    ),
]
Dask = Annotated[
    str,
    typer.Option(
        envvar=DASK,
        help="Workers that share the work: none, local, local-cuda, a scheduler's address or file.",
    ),
]
Params = Annotated[str, typer.Option(help='Parameters as a JSON object, {"name": value}.')]
