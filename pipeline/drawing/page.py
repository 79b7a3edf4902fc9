"""The page around the panels, by Matplotlib: heading, titles, notes, legend and text below."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pipeline.drawing.labels import fill_lines, font, wrap
from pipeline.drawing.palette import RGB

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

MARGIN, ROW_TITLE, GAP = 60, 100, 28  # around the page, left of the first panel, between panels
INK, FAINT, ALARM = "#1a1a1a", "#b0b0b0", "#b00020"

SETTINGS: Any = {
    "font.family": "DejaVu Sans",
    "text.color": INK,
    "text.hinting": "none",  # lines are as long as `labels.wrap` measures them, at any size
    "text.parse_math": False,  # a "$" in a name is a "$"
    # A PDF carries its font (42: as TrueType, so that its text can be searched). An SVG cannot, so
    # that its text is outlines, which look the same everywhere.
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "tunescope",
}
UNDATED = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}  # the same page, the same file


def px(length: float, width: int) -> int:
    """`length` pixels of a page 4,200 wide, on one that is `width` wide."""
    return max(round(length * width / 4200), 1)


def panel_side(width: int, n_columns: int) -> int:
    """Side of the panels: a third of the page at most, larger ones would dwarf their text."""
    gaps = px(GAP, width) * max(n_columns - 1, 2)
    free = width - 2 * px(MARGIN, width) - px(ROW_TITLE, width) - gaps
    return free // max(n_columns, 3)


@contextmanager
def page_style() -> Iterator[None]:
    """Matplotlib as it comes, and `SETTINGS`, whatever the user's own settings are."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(SETTINGS)
        yield


class LegendEntry(NamedTuple):
    """A disc and what it stands for; without a colour, words alone."""

    text: str
    color: RGB | None = None
    rim: RGB | None = None


@page_style()
def draw_page(
    panels: Mapping[tuple[str, str], Image.Image],
    *,
    notes: Mapping[tuple[str, str], Sequence[str]],
    rows: Mapping[str, str],
    blocks: Sequence[Mapping[str, str]],
    legend: Sequence[LegendEntry],
    heading: str,
    alert: str,
    warnings: str,
    paragraphs: Sequence[str],
    width: int,
    dpi: int,
) -> Figure:
    """Arrange panels in a grid and write what belongs to them.

    Parameters
    ----------
    panels : mapping of (row, column) to PIL.Image.Image
        Squares of side `panel_side`, placed pixel by pixel; a missing one is "not computed".
    notes : mapping of (row, column) to sequence of str
        Written under the panels, each from a new line.
    rows : mapping of name to title
        In their order, the same in every block.
    blocks : sequence of mapping of column to title
        The columns of each block, in their order; the blocks stand one below the other.
    legend : sequence of LegendEntry
    heading, alert : str
        Top line; the alert stands beside the heading in bold red.
    warnings : str
        Below the legend, in red.
    paragraphs : sequence of str
        Below the warnings.
    width, dpi : int
        Pixels, and pixels an inch.

    Returns
    -------
    matplotlib.figure.Figure
        `width` pixels wide, as high as needed.
    """
    sheet = _PageCanvas(width, dpi)
    n_columns = max(map(len, blocks))
    side, gap = panel_side(width, n_columns), sheet.px(GAP)
    left = (width + sheet.px(ROW_TITLE) + gap - n_columns * (side + gap)) // 2
    y = sheet.write_heading(heading, alert)
    for columns in blocks:
        lefts = {column: left + i * (side + gap) for i, column in enumerate(columns)}
        for column, x in lefts.items():
            sheet.write_title(x + side / 2, y - sheet.px(22), columns[column], side)
        for row, title in rows.items():
            upright: Any = {"weight": "bold", "rotation": 90, "ha": "center", "va": "center"}
            # Beside small panels the title is smaller.
            size = min(
                sheet.px(48), side * sheet.px(48) / font(sheet.px(48)).getlength(title) / 1.2
            )
            sheet.write(left - sheet.px(48), y + side / 2, title, size, **upright)
            ends = []
            for column, x in lefts.items():
                end = sheet.draw_panel(panels.get((row, column)), x, y, side)
                for note in notes.get((row, column), ()):
                    at = x + side / 2, end
                    end = sheet.write_lines(note, *at, sheet.px(32), width=side, ha="center")
                ends.append(end)
            y = max(ends) + sheet.px(52)
        y += sheet.px(72) * (columns is not blocks[-1])  # for the titles of the next block
    y = sheet.write_legend(legend, y)
    y = sheet.write_lines(warnings, sheet.margin, y, sheet.px(36), width=sheet.inner, color=ALARM)
    for paragraph in paragraphs:
        y = sheet.write_lines(paragraph, sheet.margin, y, sheet.px(36), width=sheet.inner)
    return sheet.finish(y + sheet.margin)


@page_style()
def rasterise(figure: Figure) -> Image.Image:
    """The page as an RGB image."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


@page_style()
def vectorise(figure: Figure, file_format: str) -> bytes:
    """The page as a "pdf" or "svg" file, in which only the panels are images."""
    file = io.BytesIO()
    figure.savefig(file, format=file_format, dpi=figure.dpi, metadata=UNDATED[file_format])
    return file.getvalue()


class _PageCanvas:
    """A figure in coordinates of pixels from its upper left corner, which is filled downwards.

    A method that fills something returns where the next thing may begin.
    """

    def __init__(self, width: int, dpi: int) -> None:
        from matplotlib.figure import Figure

        self.figure = Figure(dpi=dpi)
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.axis("off")
        self.width = width
        self.px = partial(px, width=width)
        self.margin = self.px(MARGIN)
        self.inner = width - 2 * self.margin

    def write(self, x: float, y: float, text: str, size: float, **style: Any) -> None:
        """Write one line on the baseline `y`, in letters of `size` pixels."""
        self.axes.text(x, y, text, fontsize=size * 72 / self.figure.dpi, **style)

    def write_heading(self, heading: str, alert: str) -> int:
        """Write both on one line, smaller where they would not fit."""
        length = font(self.px(68), bold=True).getlength
        shrunk = min(1, self.inner / length(f"{heading}   {alert}"))
        y, x = self.margin + self.px(64), self.margin + length(f"{heading}   ") * shrunk
        self.write(self.margin, y, heading, self.px(68) * shrunk, weight="bold")
        self.write(x, y, alert, self.px(68) * shrunk, weight="bold", color=ALARM)
        return y + self.px(136)

    def write_title(self, x: float, y: float, text: str, width: int) -> None:
        """Write one bold line centred at `x`, smaller where `width` pixels would not hold it."""
        size = self.px(52)
        length = max(font(size, bold=True).getlength(text), 1)
        self.write(x, y, text, size * min(1, width / length), weight="bold", ha="center")

    def write_lines(
        self, text: str, x: float, y: int, size: int, *, width: int, **style: Any
    ) -> int:
        """Write a text in lines of at most `width`."""
        for line in wrap(text, size=size, width=width):
            self.write(x, y + size, line, size, **style)
            y += round(1.4 * size)
        return y

    def write_legend(self, legend: Sequence[LegendEntry], y: int) -> int:
        """Draw a disc and the words of each entry, as many on a line as fit."""
        from matplotlib.patches import Circle

        size = self.px(40)
        lengths = [2.4 * size + font(size).getlength(entry.text) for entry in legend]
        for line in fill_lines(lengths, width=self.inner, gap=0):
            x = (self.width - sum(lengths[i] for i in line)) / 2 + size
            for i in line:
                text, color, rim = legend[i]
                for fill, radius in ((rim, size / 2), (color, size / 2 * (0.7 if rim else 1))):
                    if fill is not None:
                        red, green, blue = (channel / 255 for channel in fill)
                        at = x, y + size / 2
                        self.axes.add_patch(
                            Circle(at, radius, color=(red, green, blue), linewidth=0)
                        )
                self.write(x + 0.9 * size, y + 0.86 * size, text, size)
                x += lengths[i]
            y += self.px(64)
        return y + self.px(24)

    def draw_panel(self, image: Image.Image | None, x: int, y: int, side: int) -> int:
        """Place a panel in a thin frame, which stays outside its pixels."""
        from matplotlib.patches import Rectangle

        line = self.px(3)
        at, outer, points = (x - line / 2, y - line / 2), side + line, 72 / self.figure.dpi
        style: Any = {"fill": False, "edgecolor": FAINT, "linewidth": line * points}
        self.axes.add_patch(Rectangle(at, outer, outer, snap=False, **style))
        if image is None:
            middle = x + side / 2, y + side / 2
            self.write(*middle, "not computed", self.px(40), color=FAINT, ha="center", va="center")
        else:
            extent = x, x + side, y + side, y
            self.axes.imshow(image, extent=extent, aspect="auto", interpolation="none")
        return y + side + self.px(14)

    def finish(self, height: int) -> Figure:
        """Cut the sheet to its height."""
        self.axes.set(xlim=(0, self.width), ylim=(height, 0))
        # Matplotlib rounds down to pixels, and width / dpi * dpi may be a little less than width.
        width, dpi = self.width, self.figure.dpi
        self.figure.set_size_inches((width + 1e-3) / dpi, (height + 1e-3) / dpi)
        return self.figure
