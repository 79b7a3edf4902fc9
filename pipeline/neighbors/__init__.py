"""Nearest neighbours: the exact graph, its connected components, and neighbours in a layout.

Step: `graph.knn_graph`, the exact k-nearest-neighbour graph that methods and measures share; so
are the unit of the features (`scale`) and their principal axes (`principal_axes`).
"""
