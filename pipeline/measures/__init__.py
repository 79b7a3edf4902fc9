"""What can be said of features and layouts: numbers with a definition, a direction, an interval.

Steps: `quality.measure_layouts`, the measures of a feature set and of all its layouts, and
`change.measure_change`, before against after. `table` says what each measure is.
"""
