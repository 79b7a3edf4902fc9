"""Principal component analysis, and the start that other methods take from it.

Engines: `scikit_learn`, `cuml`; `start` has the principal coordinates on either device.
"""
