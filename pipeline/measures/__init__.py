"""What can be said of features and layouts: numbers with a definition, a direction, an interval.

Steps: `quality.measure_layouts`, the measures of a feature set and of all its layouts,
`change.measure_change`, before against after, and `depth.measure_depth`, the same block by block.
`table` says what each measure is.
"""
