"""Galleries: images with their neighbours before and after."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.drawing.png import encode, reduce_colors
from pipeline.report.findings import Backbone

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 18  # images of a gallery
BESIDE = 6  # neighbours of each, before and after
THUMBNAIL = 48  # pixels of the longer side at most
COLUMNS = ["id", "file", "split", "label", "prediction", "confidence"]
COLUMNS += ["own_before", "own_after", "predicted_before", "predicted_after", "overlap"]


def galleries(found: Backbone) -> list[dict[str, Any]]:
    """Images to look at, with pictures where there are any: test errors, and what changed most.

    Returns
    -------
    list of dict
        Each with title, total, labelled, table (where all of them are) and images, cards of the
        first.
    """
    changed = most_changed(found)
    chosen = []
    if "prediction" in found.images:
        title = "Test images that the fine-tuned network gets wrong, the surest first"
        chosen.append((title, test_errors(found), "errors"))
    if found.labelled:
        gain = changed["own_after"] - changed["own_before"]
        less, more = changed[gain < 0], changed[gain > 0][::-1]
        chosen += [
            ("Images with fewer neighbours of their class than before", less, "images"),
            ("Images with more neighbours of their class than before", more, "images"),
        ]
    else:
        title = "Images with other neighbours than before, most of all first"
        chosen.append((title, changed[changed["overlap"] < 1], "images"))
    return [
        {
            "title": title,
            "total": len(rows),
            "labelled": found.labelled,
            "table": table,
            "images": [_card(found, row) for row in rows.index[:SHOWN]],
        }
        for title, rows, table in chosen
    ]


def test_errors(found: Backbone) -> pd.DataFrame:
    """The test images that the fine-tuned network gets wrong, the surest first."""
    table = _known(found)
    if "prediction" not in table:
        return table[:0]
    missed = table["prediction"].astype(str) != table["label"].astype(str)
    wrong = table[missed & (table["split"] == "test")]
    return wrong.sort_values("confidence", ascending=False, kind="stable")


def most_changed(found: Backbone) -> pd.DataFrame:
    """All images, first those that lost most neighbours of their class; of all, without labels."""
    table = _known(found)
    if not found.labelled:
        return table.sort_values("overlap", kind="stable")
    gain = table["own_after"] - table["own_before"]
    order = table.assign(gain=gain).sort_values(["gain", "overlap"], kind="stable").index
    return table.loc[order]


def _known(found: Backbone) -> pd.DataFrame:
    """What is known of each image, but for lists of neighbours."""
    table = found.images.reset_index(drop=True)
    return table[[column for column in COLUMNS if column in table]]


def _card(found: Backbone, row: int) -> dict[str, Any]:
    """One image of a gallery; without pixels its neighbours are named, not shown."""
    table = found.images
    known = table.iloc[row]

    def text(column: str, at: int = row) -> str:
        value = table[column].iloc[at] if column in table else None
        return "" if value is None else str(value)

    def named(at: int) -> dict[str, str]:
        return {
            "picture": "" if found.pixels is None else thumbnail(found.pixels[at]),
            "label": text("label", at),
            "name": text("file", at) or text("id", at),
        }

    return {
        **named(row),
        "id": int(known["id"]),
        "file": text("file"),
        "split": known["split"],
        "prediction": text("prediction"),
        "overlap": float(known["overlap"]),
        "own_before": float(known["own_before"]) if found.labelled else None,
        "own_after": float(known["own_after"]) if found.labelled else None,
        "neighbors": {
            stage: [named(int(other)) for other in indices[row, :BESIDE]]
            for stage, indices in found.neighbors.items()
        },
    }


def picture_of(found: Backbone) -> Callable[[int], str] | None:
    """A function that gives the thumbnail of a row; None without pictures."""
    pixels = found.pixels
    return None if pixels is None else lambda row: thumbnail(pixels[row])


def thumbnail(image: np.ndarray) -> str:
    """An image (h, w, 1 or 3) uint8 as a data URL, small ones as they are."""
    from PIL import Image

    picture = Image.fromarray(image.squeeze(axis=2) if image.shape[2] == 1 else image)
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    return data_url(encode(picture, optimize=True))


def smaller(png: bytes, side: int) -> str:
    """A picture as a data URL, of `side` pixels at most, on white."""
    from PIL import Image

    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture.thumbnail((side, side))
    return data_url(encode(picture, optimize=True))


def data_url(png: bytes) -> str:
    """A PNG as a data URL."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def small_url(png: bytes) -> str:
    """A drawing as a data URL, in 256 colours: a page is to be mailed."""
    from PIL import Image

    return data_url(encode(reduce_colors(Image.open(io.BytesIO(png))), optimize=True))
