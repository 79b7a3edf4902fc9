"""Layouts by other seeds of a method: measured beside those that they are further runs of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pipeline.errors import InputError

if TYPE_CHECKING:
    from pipeline.measures.quality import Laid


class BySeed(NamedTuple):
    """A layout by another seed.

    Attributes
    ----------
    name : str
        Of the layout that it is another run of: a method.
    seed : int
    laid : Laid
    """

    name: str
    seed: int
    laid: Laid


def by_space(
    layouts: Mapping[str, Laid], layout_seeds: Mapping[int, Mapping[str, Laid]]
) -> dict[str, BySeed]:
    """Layouts by other seeds, each under a name of its own.

    Parameters
    ----------
    layouts : mapping of str to Laid
    layout_seeds : mapping of int to mapping of str to Laid
        By other seeds, under the same names.

    Raises
    ------
    InputError
        One of other points than the layout of its name, or one that has no such layout.
    """
    found = {}
    for seed, others in layout_seeds.items():
        for name, laid in others.items():
            if name not in layouts or not np.array_equal(laid.rows, layouts[name].rows):
                raise InputError(
                    f"layout {name} by seed {seed} is no other run of a layout that is measured: "
                    f"give the layout {name} of the same points too"
                )
            found[f"{name} by seed {seed}"] = BySeed(name, seed, laid)
    return found


def rows_by_seed(
    rows: Sequence[Mapping[str, Any]], others: Mapping[str, BySeed]
) -> dict[str, list[dict[str, Any]]]:
    """Rows of measures of layouts by other seeds, under the names of the layouts.

    Parameters
    ----------
    rows : sequence of mapping
        Of all spaces.
    others : mapping of str to BySeed
        See `by_space`.

    Returns
    -------
    dict of str to list of dict
        By seed.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if other := others.get(row["space"]):
            found.setdefault(str(other.seed), []).append({**row, "space": other.name})
    return found
