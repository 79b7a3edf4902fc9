"""Who is near whom: the neighbor graph of a feature set, its connected components, and layouts.

Step: `graph.knn_graph`, the exact k-nearest-neighbor graph that methods and measures share.
"""
