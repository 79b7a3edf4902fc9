"""How it is measured: the manifest of workloads, a process for each, and the files of results.

Commands: `python -m bench run`.
"""
