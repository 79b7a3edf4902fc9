"""What stands for a class in a figure: its name as far as it fits, or a number with a key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.drawing.labels import has_glyphs, printable

WRITTEN_OUT = 12  # classes that a panel can name without hiding its points
LISTED = 100  # classes that a legend and a panel can tell apart; of more, the largest are listed
LARGEST = 50
PANEL_LETTERS, LEGEND_LETTERS = 16, 40
CODE_LETTERS = 4  # names as short as this need no number
STRIPPED_LETTERS = 3  # a shorter common prefix is not worth the sentence about it
SEPARATORS = " _-.:/"


@dataclass(frozen=True)
class ClassNames:
    """How the classes are named.

    Attributes
    ----------
    panel : tuple of str
        What stands in a panel for each class: its name, shortened, or its number.
    legend : tuple of str
        Each class in the legend: after its number where that stands in the panels.
    titles : tuple of str
        Each class alone.
    listed : tuple of int
        The classes that are named at all, in their order.
    numbered : bool
        Numbers stand in the panels.
    remarks : tuple of str
        Sentences: what was changed to make the names fit.
    warning : str
        The names that cannot be written, for the log; empty if there are none.
    """

    panel: tuple[str, ...]
    legend: tuple[str, ...]
    titles: tuple[str, ...]
    listed: tuple[int, ...]
    numbered: bool = False
    remarks: tuple[str, ...] = ()
    warning: str = ""


def name_classes(
    class_names: Sequence[str], sizes: Sequence[int] | np.ndarray, *, numbered: bool = False
) -> ClassNames:
    """Make class names that fit a figure.

    A prefix or suffix that all names share is left out, up to its last separator. A name with
    characters that the font lacks becomes "class 3", its number in the order of the classes.
    Above twelve classes, and where names are not told apart once they are short, panels hold
    numbers, for which the legend is the key; names of at most four letters stand for themselves.

    Parameters
    ----------
    class_names : sequence of str
    sizes : sequence of int
        Points of each class: of more than a hundred classes the fifty largest are listed.
    numbered : bool
        Numbers in any case, where the names were tried and found no positions.

    Returns
    -------
    ClassNames
    """
    n = len(class_names)
    lacking = [i for i, name in enumerate(class_names) if not has_glyphs(name)]
    unwritten = set(lacking)
    names = [printable(name) for name in class_names]
    prefix, suffix = common_affixes([names[i] for i in range(n) if i not in unwritten])
    names = [name[len(prefix) : len(name) - len(suffix)] for name in names]
    for i in lacking:
        names[i] = f"class {i + 1}"
    panel = [shorten(name, PANEL_LETTERS) for name in names]
    listed = _listed(sizes)
    short = max(len(names[i]) for i in listed) <= CODE_LETTERS and len(set(names)) == n
    numbered = not short and (numbered or n > WRITTEN_OUT or len(set(panel)) < n)
    legend = [shorten(name, LEGEND_LETTERS) for name in names]
    if numbered:
        panel = [str(i + 1) for i in range(n)]
        keyed = [f"{i + 1}  {name}" for i, name in enumerate(legend)]
        legend = [str(i + 1) if i in unwritten else each for i, each in enumerate(keyed)]
    remarks = []
    if numbered:
        remarks.append("Numbers in the panels stand for classes: the legend is the key.")
    if prefix or suffix:
        affixes = " and ".join(f'"{affix}"' for affix in (prefix, suffix) if affix)
        remarks.append(f"All class names are shown without {affixes}, which they share.")
    if lacking:
        which = f"{len(lacking)} class name{'s' * (len(lacking) > 1)}"
        remarks.append(
            f"The font lacks characters of {which}, shown as the number in the order of the "
            "classes; the log has the names."
        )
    originals = ", ".join(f"class {i + 1} is {class_names[i]!r}" for i in lacking[:LARGEST])
    return ClassNames(
        panel=tuple(panel),
        legend=tuple(legend),
        titles=tuple(names if not numbered else legend),
        listed=listed,
        numbered=numbered,
        remarks=tuple(remarks),
        warning=f"the figure's font lacks characters of class names: {originals}"
        if lacking
        else "",
    )


def common_affixes(names: Sequence[str]) -> tuple[str, str]:
    """Prefix and suffix of all names, each ending or beginning where a word does.

    Words are parted by a separator or by a change between letters and digits, so that "cat" and
    "car" share nothing; what is left of every name is not empty.

    Parameters
    ----------
    names : sequence of str

    Returns
    -------
    (str, str)
        Empty where there is one name only, or where less than three letters are shared.
    """
    if len(names) < 2:
        return "", ""
    prefix = _common_beginning(names)
    rests = [name[len(prefix) :][::-1] for name in names]
    return prefix, _common_beginning(rests)[::-1]


def shorten(text: str, letters: int) -> str:
    """Leave out the middle of a text that has more than `letters`: names differ at their ends."""
    if len(text) <= letters:
        return text
    tail = letters // 3
    return f"{text[: letters - tail - 1].rstrip()}…{text[-tail:].lstrip()}"


def _common_beginning(names: Sequence[str]) -> str:
    """The longest prefix of all names after which a word begins in each; empty if it is short."""
    first, last = min(names), max(names)  # what these share, all share
    shared = next((i for i, c in enumerate(first) if c != last[i]), len(first))
    for length in range(shared, STRIPPED_LETTERS - 1, -1):
        if all(_begins_word(name, length) for name in names):
            return first[:length]
    return ""


def _begins_word(name: str, at: int) -> bool:
    if at >= len(name):
        return False
    last, first = name[at - 1], name[at]
    return first not in SEPARATORS and (
        last in SEPARATORS or (last.isdigit() != first.isdigit() and first.isalnum())
    )


def _listed(sizes: Sequence[int] | np.ndarray) -> tuple[int, ...]:
    sizes = np.asarray(sizes)
    if len(sizes) <= LISTED:
        return tuple(range(len(sizes)))
    largest = np.argsort(-sizes, kind="stable")[:LARGEST]
    return tuple(sorted(int(i) for i in largest))
