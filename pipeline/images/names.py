"""Names of classes and files as text that every format, font and terminal can hold."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from itertools import takewhile

NAMED_EXAMPLES = 5  # odd files or classes that a sentence names; it counts the others

# Control characters, line separators, marks that turn the direction of all text after them, bytes
# that are not UTF-8 (which Python keeps as surrogates), and a backslash before what would look like
# one of the escapes: so the escapes are unambiguous.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]|"
    + r"\\(?=x[0-9a-f]{2}|u[0-9a-f]{4})"
)

_ABSOLUTE = re.compile(r"/|\\\\|[A-Za-z]:[\\/]")


def printable(text: object) -> str:
    r"""Return a text or path with what cannot be printed as ``\xe9`` (a byte) or ``\u2028``.

    Different texts stay different. What is printable, in whatever script, stays as it is.
    """
    return _UNPRINTABLE.sub(_escape, str(text))


def class_name(text: str) -> str:
    """Return the name of a class: composed (Unicode NFC), so that both spellings of é are one."""
    return printable(unicodedata.normalize("NFC", text))


def similar_names(names: Sequence[str]) -> list[str]:
    """Return a sentence on names that differ in case, blanks or width alone, if there are any."""
    groups = defaultdict(list)
    for name in names:
        key = unicodedata.normalize("NFKC", name).casefold()
        groups[" ".join(key.split())].append(repr(name))
    alike = [" and ".join(group) for group in groups.values() if len(group) > 1]
    if not alike:
        return []
    return [f"classes that differ in case or blanks alone count as different: {examples(alike)}"]


def without_folders(names: Sequence[str]) -> list[str]:
    r"""Return names of files, printable, absolute paths without the folders that all of them share.

    A page that is passed on shows which image is which, not where its author keeps them. Paths of
    Windows (``C:\\shots\\1.png``) are told as well.
    """
    parts = {
        name: re.split("/+" if name.startswith("/") else r"[\\/]+", name)
        for name in names
        if _ABSOLUTE.match(name)
    }
    levels = zip(*(folders[:-1] for folders in parts.values()), strict=False)
    shared = sum(1 for _ in takewhile(lambda level: len(set(level)) == 1, levels))
    return [
        printable("/".join(parts[name][max(shared, 1) :]) if name in parts else name)
        for name in names
    ]


def examples(names: Sequence[str]) -> str:
    """Return the first names and how many more there are."""
    shown = ", ".join(names[:NAMED_EXAMPLES])
    more = len(names) - NAMED_EXAMPLES
    return f"{shown} and {more:,} more" if more > 0 else shown


def counted(n: int, noun: str, plural: str | None = None) -> str:
    """Return "1 image" or "2 images"."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8
        code -= 0xDC00
        return f"\\x{code:02x}"
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}"
