"""Tunescope: see what fine-tuning did to a representation."""

__version__ = "0.1.0"
