"""All that knows the machine: devices, GPUs, memory, threads, logging, signals, versions.

Every chapter may ask it; it has no step and knows no other chapter.
"""
