"""Principal component analysis, and the start that other methods take from it.

Engines: `scikit_learn`, `cuml`; `principal_coordinates` computes the start on either device.
"""
