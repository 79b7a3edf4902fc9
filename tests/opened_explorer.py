"""A synthetic explorer opened in a browser: where its points are, what it selects and says."""

import base64
import io
import re
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlparse

import numpy as np
from PIL import Image
from synthetic_explorer import N

from pipeline.drawing.palette import class_colors
from pipeline.report.explorer.packing import FINEST
from pipeline.report.explorer.page import build_explorer

LABELS = np.arange(N) % 3
PARTS = ("train", "test")
COLORS = class_colors(3)


def written(folder, found):
    path = folder / "explorer.html"
    path.write_text(build_explorer(found), encoding="utf-8")
    return path.as_uri()


class Opened:
    """A page, what it complained of and asked for, and where its points are."""

    def __init__(self, page, address, hash=""):
        self.page, self.address, self.troubles = page, address, []
        page.on("console", lambda message: self.troubles.append(message.text))
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on("dialog", lambda dialog: (self.troubles.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: self.troubles.append(request.url))
        page.goto(address + hash)
        self.array = {}
        for name in ("xy/tsne/before", "xy/tsne/after"):
            text = re.search(rf'data-array="{name}" data-kind="\w+">([^<]*)<', self.source())[1]
            self.array[name] = np.frombuffer(base64.b64decode(text), "<u2").reshape(-1, 2)
        self.settle()

    def source(self):
        return Path(unquote(urlparse(self.address).path)).read_text("utf-8")

    def settle(self):
        """Wait until what was asked for is drawn, and its address kept."""
        self.page.evaluate(
            "new Promise((d) => requestAnimationFrame(() => requestAnimationFrame(d)))"
        )

    def box(self, stage):
        return self.page.locator(f"#{stage} .overlay").bounding_box()

    def place(self, stage, row, *, layout=None):
        """Where an image is in the window, with the whole layout in sight."""
        box = self.box(stage)
        x, y = self.array[f"xy/tsne/{layout or stage}"][row] / FINEST
        scale = 0.96 * min(box["width"], box["height"])
        return (
            box["x"] + box["width"] / 2 + (x - 0.5) * scale,
            box["y"] + box["height"] / 2 - (y - 0.5) * scale,
        )

    def color(self, stage, row, **options):
        """The colour of the window where an image is."""
        self.settle()
        picture = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")
        x, y = self.place(stage, row, **options)
        return picture.getpixel((round(x), round(y)))

    def around(self, stage, rows, margin=8):
        """A box around some images: its corners."""
        places = np.array([self.place(stage, row) for row in rows])
        return places.min(axis=0) - margin, places.max(axis=0) + margin

    def drag(self, start, end):
        mouse = self.page.mouse
        mouse.move(*start)
        mouse.down()
        mouse.move(*(np.array(start) + end) / 2)
        mouse.move(*end)
        mouse.up()
        self.settle()

    def select(self, stage, rows):
        self.page.get_by_label("Box", exact=True).check()
        self.drag(*self.around(stage, rows))

    def selected(self):
        """Rows of the selection, by the address that the page keeps."""
        told = parse_qs(self.link().partition("#")[2])
        return decoded(told["selected"][0]) if "selected" in told else []

    def link(self):
        self.page.wait_for_timeout(350)  # an address is kept once nothing moves
        return self.page.url

    def count(self):
        return self.page.locator("#count").inner_text()


def decoded(text):
    """Rows of a selection in an address: runs in turn, 7 bits a byte."""
    content = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    lengths, length, shift = [], 0, 0
    for byte in content:
        length |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            lengths.append(length)
            length = shift = 0
    mask = np.repeat(np.arange(len(lengths)) % 2, lengths)
    return np.flatnonzero(mask).tolist()


def close_to(color, expected, tolerance=3):
    return np.abs(np.array(color) - expected).max() <= tolerance
