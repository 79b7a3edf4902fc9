"""What every chapter may ask: all that knows the machine, the log, and checks of what users give.

It has no step and knows no other chapter.
"""
