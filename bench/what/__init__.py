"""What is measured: our engines and their peers, the inputs they get, and the quality of results.

Commands: `python -m bench study` and `precision`.
"""
