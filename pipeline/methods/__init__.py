"""Methods: a 2-D layout of a feature set by PCA, t-SNE, UMAP, MDS, LLE or Isomap.

Step: `embed`. A folder a method, in it a file an engine, named after who computes.
"""
