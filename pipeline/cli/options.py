"""Options that several verbs take."""

from pathlib import Path
from typing import Annotated, Literal

import typer

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
Params = Annotated[str, typer.Option(help='Parameters as a JSON object, {"name": value}.')]
