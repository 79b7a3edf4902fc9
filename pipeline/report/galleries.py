"""Galleries: images with their neighbours before and after."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.report.findings import Backbone

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 18  # images of a gallery
BESIDE = 6  # neighbours of each, before and after
THUMBNAIL = 48  # pixels of the longer side at most
COLUMNS = ["id", "file", "split", "label", "prediction", "confidence"]
COLUMNS += ["own_before", "own_after", "predicted_before", "predicted_after", "overlap"]


def galleries(found: Backbone) -> list[dict[str, Any]] | None:
    """Images to look at: test errors, and what changed most; None without pictures.

    Returns
    -------
    list of dict
        Each with title, total, table (where all of them are) and images, cards of the first.
    """
    if found.pixels is None:
        return None
    missed, changed = test_errors(found), most_changed(found)
    gain = changed["own_after"] - changed["own_before"]
    chosen = [
        ("Test images that the fine-tuned network gets wrong, the surest first", missed, "errors"),
        (
            "Images with fewer neighbours of their class than before",
            changed[gain < 0],
            "images",
        ),
        (
            "Images with more neighbours of their class than before",
            changed[gain > 0][::-1],
            "images",
        ),
    ]
    return [
        {
            "title": title,
            "total": len(rows),
            "table": table,
            "images": [_card(found, found.pixels, row) for row in rows.index[:SHOWN]],
        }
        for title, rows, table in chosen
        if table != "errors" or "prediction" in found.images
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
    """All images, first those that lost most neighbours of their own class."""
    table = _known(found)
    gain = table["own_after"] - table["own_before"]
    order = table.assign(gain=gain).sort_values(["gain", "overlap"], kind="stable").index
    return table.loc[order]


def _known(found: Backbone) -> pd.DataFrame:
    """What is known of each image, but for lists of neighbours."""
    table = found.images.reset_index(drop=True)
    return table[[column for column in COLUMNS if column in table]]


def _card(found: Backbone, pixels: np.ndarray, row: int) -> dict[str, Any]:
    """One image of a gallery."""
    table = found.images
    known = table.iloc[row]
    return {
        "picture": thumbnail(pixels[row]),
        "id": int(known["id"]),
        "file": known.get("file") or "",
        "label": str(known["label"]),
        "split": known["split"],
        "prediction": str(known["prediction"]) if "prediction" in table else "",
        "own_before": float(known["own_before"]),
        "own_after": float(known["own_after"]),
        "neighbors": {
            stage: [
                (thumbnail(pixels[other]), str(table["label"].iloc[other]))
                for other in indices[row, :BESIDE]
            ]
            for stage, indices in found.neighbors.items()
        },
    }


def thumbnail(image: np.ndarray) -> str:
    """An image (h, w, 1 or 3) uint8 as a data URL, small ones as they are."""
    from PIL import Image

    picture = Image.fromarray(image.squeeze(axis=2) if image.shape[2] == 1 else image)
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    return data_url(_png(picture))


def smaller(png: bytes, side: int) -> str:
    """A picture as a data URL, of `side` pixels at most, on white."""
    from PIL import Image

    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture.thumbnail((side, side))
    return data_url(_png(picture))


def data_url(png: bytes) -> str:
    """A PNG as a data URL."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _png(picture: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "png", optimize=True)
    return buffer.getvalue()
