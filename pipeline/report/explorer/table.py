"""What an explorer shows as one table, for data frames and for viewers of other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.drawing.png import encode
from pipeline.report.explorer.content import Explored
from pipeline.report.explorer.page import OF_CLASSES
from pipeline.report.explorer.thumbnails import thumbnail

if TYPE_CHECKING:
    import pandas as pd


def tabulate(found: Explored) -> pd.DataFrame:
    """All that is known of each image, a row each.

    Returns
    -------
    DataFrame
        id, file, split, label, prediction, predicted_before and predicted_after, where known;
        <method>_<stage>_x and _y, missing where an image was not laid out; the scores;
        neighbors_<stage>, mappings of ids, rows of this table counted from zero, the nearest first,
        and distances; thumbnail, a PNG, where there are pixels.
    """
    import pandas as pd

    known = [name for name in ("id", "file", "split", *OF_CLASSES) if name in found.images]
    columns: dict[str, Any] = {name: found.images[name].to_numpy() for name in known}
    for stage, layouts in found.layouts.items():
        for method, layout in layouts.items():
            xy = np.full((len(found.images), 2), np.nan, np.float32)
            xy[layout.rows] = layout.xy
            columns |= {f"{method}_{stage}_{axis}": xy[:, i] for i, axis in enumerate("xy")}
    columns |= {score.name: score.values for score in found.scores()}
    for stage, rows in found.neighbors.items():
        columns[f"neighbors_{stage}"] = [
            {"ids": ids, "distances": distances}
            for ids, distances in zip(rows, found.distances[stage], strict=True)
        ]
    if found.pixels is not None:
        columns["thumbnail"] = [encode(thumbnail(image)) for image in found.pixels]
    return pd.DataFrame(columns)
