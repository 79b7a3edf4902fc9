"""umap-learn, imported alone."""

from __future__ import annotations

import sys
import warnings
from types import ModuleType


def umap_learn() -> ModuleType:
    """Import umap-learn without TensorFlow, which it loads for a variant that is not used here."""
    # None in sys.modules makes `import tensorflow` fail, and umap-learn then does without.
    hide = "umap" not in sys.modules and "tensorflow" not in sys.modules
    if hide:
        sys.modules["tensorflow"] = None  # type: ignore[assignment]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ImportWarning)
            import umap.umap_
    finally:
        if hide:
            del sys.modules["tensorflow"]
    return umap.umap_
