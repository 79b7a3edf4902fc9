"""What the engines of metric MDS share."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from pipeline.errors import InputError
from pipeline.methods.base import LayoutEstimator, check_init
from pipeline.methods.parameters import Choices, Matrix, Number, integer


class BaseMDS(LayoutEstimator):
    """Parameters of all engines of metric MDS."""

    objective = "stress_1"  # the size of a start does not matter

    choices: ClassVar[Choices] = {
        "n_components": (integer(1),),
        "n_init": (integer(1),),
        "init": ("classical_mds", "random", Matrix()),
        "max_iter": (integer(1),),
        "eps": (Number(0),),
        "normalized_stress": (True, False, "auto"),
    }

    n_components: int
    n_init: int
    init: str | np.ndarray
    normalized_stress: bool | str

    def units(self) -> dict[str, int]:
        """See `LayoutEstimator`; stress-1 has no unit."""
        return {"embedding_": 1} | ({} if self.normalized_stress is True else {"stress_": 2})

    def _check_parameters(self, n: int) -> None:
        """Name the parameter that does not go with n points, or with another parameter."""
        check_init(self.init, (n, self.n_components), "MDS")
        if self.n_init != 1 and not self._starts_at_random:
            raise InputError(
                f"n_init is {self.n_init} but only init='random' has more than one start"
            )

    @property
    def _starts_at_random(self) -> bool:
        return isinstance(self.init, str) and self.init == "random"
