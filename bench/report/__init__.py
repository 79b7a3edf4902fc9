"""What is made of results: generated pages with tables and plots, and comparisons of two runs.

Commands: `python -m bench report` and `compare`.
"""
