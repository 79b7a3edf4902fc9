"""Benchmarks of Tunescope's engines and of the libraries beside them: seconds, memory and quality.

`run` measures, `what` is measured, `report` makes tables and plots of the committed `results`.
"""
