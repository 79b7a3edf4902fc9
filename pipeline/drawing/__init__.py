"""Drawing layouts: every point of every layout, coloured by class, before and after fine-tuning.

Step: `figure.draw_backbone`, the figure of one backbone with all its panels.
"""
