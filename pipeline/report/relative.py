"""Paths without their folders: a page that is passed on names no folder of a machine."""

from __future__ import annotations

import re
from typing import Any

# Folders of an absolute path, of POSIX, Windows or a home, where no word runs on before it.
_FOLDERS = re.compile(
    r"""(?<![\w./\\~<-])(?:~?/|[A-Za-z]:[\\/]|\\\\)(?:[^\s"'/\\<>]+[/\\])*(?=[\w.])"""
)


def without_folders(value: Any) -> Any:
    """The same text, or texts in lists and mappings, absolute paths reduced to their last part.

    >>> without_folders("read /home/ann/cells.npz or a/b")
    'read cells.npz or a/b'
    """
    if isinstance(value, str):
        return _FOLDERS.sub("", value)
    if isinstance(value, dict):
        return {name: without_folders(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [without_folders(each) for each in value]
    return value
