"""How good a layout is: numbers with a definition, a range and a direction, exact over all points.

Step: `quality.measure_layouts`, the measures of all layouts of a feature set and of these features
(`probe`: how well a linear classifier does).
"""
