"""The report: what a reader gets beside the figures.

Steps: `summary` (the measures of all layouts as a table) and `runtimes` (where the time went).
"""
