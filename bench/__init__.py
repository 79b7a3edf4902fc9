"""Benchmarks that anyone can repeat: `python -m bench run | study | report | compare`."""
