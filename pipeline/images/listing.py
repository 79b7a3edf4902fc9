"""Image files of a folder: `[train|val|test/]class/*.{png,jpg,jpeg,bmp,gif}`, found by name."""

import os
import stat
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import InputError
from pipeline.images.names import class_name, counted, examples, printable
from pipeline.images.splits import part_of, sort_by_part

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif")
OTHER_IMAGES = (".avif", ".heic", ".jfif", ".jp2", ".ppm", ".svg", ".tif", ".tiff", ".webp")
SPECIAL = {  # what must not be opened: a pipe waits for a writer, a device may never end
    stat.S_IFIFO: "named pipe",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
}
PROBLEMS = {  # what is wrong with one or many places of a kind, and what to do
    "special": ("file is no image", "files are no images", "remove them"),
    "nested": (
        "folder lies in a class folder",
        "folders lie in class folders",
        "the images of a class must lie directly in its folder",
    ),
    "empty": (
        f"class folder has no {', '.join(SUFFIXES)} image",
        f"class folders have no {', '.join(SUFFIXES)} image",
        "add images or remove the folder",
    ),
    "blank": ("class folder has a blank name", "class folders have blank names", "name the class"),
}


@dataclass
class Listing:
    """The images of a folder, not yet opened; training images first.

    Attributes
    ----------
    files : list of str, (n,)
        Paths within the folder, as the system spells them.
    classes : list of str, (n,)
        Names of their classes, printable.
    parts : list of str or None, (n,)
        "train", "val" or "test"; None where the folder has no folders of parts.
    ignored : Counter
        How many files are not images, by suffix.
    odd : dict of str to list of str
        Places with what is wrong there, by the kinds of `PROBLEMS`.
    respelled : dict of str to None
        Classes whose names are spelled in two ways, in the order in which they were found.
    problems, warnings : list of str
        Sentences.
    """

    files: list[str] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    parts: list[str | None] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)
    odd: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    respelled: dict[str, None] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def list_folder(root: Path) -> Listing:
    """Find the images of `root` and their classes.

    The folders of `root` are classes, in sorted order; or parts with a folder for each class, where
    all are called train, val or test (or another name in `splits.PARTS`). Folders whose names are
    one text in Unicode (NFC) are one class. Hidden files and folders are left out; so are files of
    other kinds, which are counted. Files are told by name and type: none is opened.

    Raises
    ------
    InputError
        A folder cannot be listed.
    """
    listing = Listing()
    folders = _subfolders(root, "", listing)
    named = [name for name in folders if part_of(name)]
    if named == folders and folders:
        for name in sort_by_part(named):
            _add_part(root, name, _subfolders(root, name, listing), listing)
        if "train" not in map(part_of, named):
            listing.problems.append(
                f"there is no train folder beside {' and '.join(named)}: add it, with a folder for "
                "each class"
            )
    elif any(_has_subfolders(root / name) for name in named):  # else it is a class called so
        listing.problems.append(
            f"it mixes folders of parts and others ({printable(examples(folders))}): keep only "
            "train, test or val there, each with one folder for each class"
        )
    else:
        _add_part(root, "", folders, listing)
    listing.problems += _sentences(listing.odd)
    if listing.respelled:
        listing.warnings.append(
            f"folders called {examples(list(listing.respelled))} are spelled with composed and "
            "with decomposed letters, and count as one class each"
        )
    return listing


def _add_part(root: Path, parent: str, folders: list[str], listing: Listing) -> None:
    """Add the images of all class folders in a folder, "" for `root` itself."""
    spellings = Counter(map(class_name, folders))
    listing.respelled |= dict.fromkeys(name for name, n in spellings.items() if n > 1)
    for folder in folders:
        _add_class(root, os.path.join(parent, folder), listing)
    if not folders:
        place = f"the folder {parent}" if parent else "it"
        listing.problems.append(
            f"{place} has no class folders: put the images of each class into a folder of its own"
        )


def _add_class(root: Path, folder: str, listing: Listing) -> None:
    """Add the images of a class folder."""
    shown, others, images = printable(folder), Counter[str](), []
    spelled = os.path.basename(folder)
    name = class_name(spelled)
    if not spelled.strip():
        listing.odd["blank"].append(repr(shown))
    for entry in _entries(root / folder):
        kind = _kind(entry)
        suffix = os.path.splitext(entry.name)[1].lower()
        file = os.path.join(folder, entry.name)
        if kind == "folder":
            listing.odd["nested"].append(printable(file))
        elif suffix not in SUFFIXES:
            others[printable(suffix) or "no suffix"] += 1
        elif kind == "file":
            images.append(file)
        else:
            listing.odd["special"].append(f"{printable(file)} ({kind})")
    if not images:
        listing.odd["empty"].append(f"{shown} ({count_text(others)})" if others else shown)
    listing.files += images
    listing.classes += [name] * len(images)
    listing.parts += [part_of(os.path.dirname(folder))] * len(images)
    listing.ignored += others


def _sentences(odd: dict[str, list[str]]) -> list[str]:
    return [
        f"{counted(len(places), one, many)}: {examples(places)}; {advice}"
        for kind, (one, many, advice) in PROBLEMS.items()
        if (places := odd.get(kind))
    ]


def count_text(counts: Counter[str]) -> str:
    """Say how many files have which suffix."""
    return ", ".join(f"{counted(n, 'file')} with {suffix}" for suffix, n in sorted(counts.items()))


def _subfolders(root: Path, folder: str, listing: Listing) -> list[str]:
    """Return the sorted names of the folders in a folder; images beside them are mentioned."""
    kinds = {entry.name: _kind(entry) for entry in _entries(root / folder)}
    beside = [
        os.path.join(folder, name)
        for name, kind in kinds.items()
        if kind != "folder" and os.path.splitext(name)[1].lower() in SUFFIXES
    ]
    if beside:
        listing.warnings.append(
            f"{counted(len(beside), 'image lies', 'images lie')} beside the class folders "
            f"({printable(examples(beside))}): left out"
        )
    return [name for name, kind in kinds.items() if kind == "folder"]


def _has_subfolders(folder: Path) -> bool:
    return any(_kind(entry) == "folder" for entry in _entries(folder))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """Return what is in a folder, without what is hidden, sorted by name."""
    try:
        with os.scandir(folder) as entries:
            visible = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise InputError(
            f"{printable(folder)} cannot be listed ({error.strerror}): check its permissions"
        ) from error
    return sorted(visible, key=lambda entry: entry.name)


def _kind(entry: os.DirEntry[str]) -> str:
    """Return "folder", "file", or what else it is, of what a link leads to."""
    try:
        if entry.is_file():
            return "file"
        if entry.is_dir():
            return "folder"
        return SPECIAL.get(stat.S_IFMT(entry.stat().st_mode), "file of another kind")
    except OSError:  # nothing there, or links in a circle
        return "link that leads nowhere"
