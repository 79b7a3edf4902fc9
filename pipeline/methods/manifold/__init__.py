"""scikit-learn's MDS, Isomap and locally linear embedding, computed by the exact engines.

Each class is scikit-learn's own with its parameters, defaults and attributes, so that
``from pipeline.methods.manifold import Isomap`` replaces ``from sklearn.manifold import Isomap``.
No engine of a study: these are `pipeline.methods.mds.exact` and its like.
"""

from pipeline.methods.manifold.isomap import Isomap
from pipeline.methods.manifold.lle import LocallyLinearEmbedding
from pipeline.methods.manifold.mds import MDS

__all__ = ["MDS", "Isomap", "LocallyLinearEmbedding"]
