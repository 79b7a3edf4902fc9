"""Principal component analysis, and the start that other methods take from it.

Engine: `exact`. `principal_components` computes both, on CPU or GPU.
"""
