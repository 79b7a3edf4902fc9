"""Images: labelled images from a name, an `.npz` file or an image folder, and their split.

Steps: `dataset`; `pair`, for features that other programs computed.
"""
