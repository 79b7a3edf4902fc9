"""Downloads: published files, fetched once by pooch, under their names only when they are whole."""

from __future__ import annotations

import contextlib
import http
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.errors import InputError
from pipeline.runtime.log import Progress, log

TIMEOUT = 30  # seconds without a byte: long for a slow line, short for a dead one
CHUNK = 1 << 20  # bytes


class RemoteFile(NamedTuple):
    """A published file.

    Attributes
    ----------
    path : str
        Its place below the folder of downloads.
    url : str
    known_hash : str or None
        As pooch writes it, "sha256:..." or "md5:..."; None where none is published.
    """

    path: str
    url: str
    known_hash: str | None = None


def fetch(files: Sequence[RemoteFile], folder: Path) -> list[Path]:
    """Return the paths of files, downloading those that are not in `folder`.

    A file already there is used, whatever its content: check it before use. Others are written
    under a temporary name and renamed when their hash is right. What an interrupted download left
    is continued by the next one, where a known hash can tell whether the parts fit together.

    Parameters
    ----------
    files : sequence of RemoteFile
    folder : Path
        Created where it does not exist.

    Returns
    -------
    list of Path

    Raises
    ------
    InputError
        A file cannot be downloaded or written, or what came is not the published file.
    """
    missing = [file for file in files if not (folder / file.path).exists()]
    for file in missing:
        try:
            _retrieve(file, folder / file.path)
        except (OSError, ValueError, http.client.HTTPException) as error:
            reason = " ".join(str(error).strip("<>").split())
            hashes = {folder / f.path: f.known_hash or "no published hash" for f in missing}
            wanted = ", ".join(f"{path} ({h})" for path, h in hashes.items() if not path.exists())
            raise InputError(
                f"cannot download {file.url} ({reason}); get it elsewhere and put by hand {wanted}"
            ) from error
    return [folder / file.path for file in files]


def _retrieve(file: RemoteFile, path: Path) -> None:
    import pooch

    log.info(f"downloading {file.url} to {path}")
    pooch.get_logger().setLevel("WARNING")  # its own line would say the same
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.part") if file.known_hash else None
    downloader = _ResumingDownloader(partial)
    pooch.retrieve(file.url, file.known_hash, path.name, path.parent, downloader=downloader)


class _ResumingDownloader:
    """Downloader of pooch that continues an interrupted download by an HTTP range request.

    `partial` is what came of it; None starts anew. A process that appends to it first gives it
    pooch's temporary name, private to that process, and where it is interrupted its own name again.
    """

    def __init__(self, partial: Path | None) -> None:
        self.partial = partial

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:
        os.remove(output_file)  # pooch's own is readable by its owner alone
        with contextlib.suppress(FileNotFoundError):
            if self.partial:
                os.replace(self.partial, output_file)
        try:
            _append(url, Path(output_file))
        except BaseException:
            if self.partial and os.path.getsize(output_file):
                os.replace(output_file, self.partial)
            raise


def _append(url: str, path: Path) -> None:
    """Append to a file what it lacks, or write all of it where the server knows no ranges."""
    with path.open("ab") as out:
        done = out.tell()
        request = urllib.request.Request(url, headers={"Range": f"bytes={done}-"} if done else {})
        try:
            reply = urllib.request.urlopen(request, timeout=TIMEOUT)
        except urllib.error.HTTPError as error:
            with error:
                if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                    raise
            return  # nothing is lacking; the hash decides
        with reply:
            if reply.status != http.HTTPStatus.PARTIAL_CONTENT:
                done = out.seek(0)
                out.truncate()
            total = done + int(reply.headers.get("Content-Length", 0))
            name = url.rpartition("/")[2]
            with Progress(name, total, initial=done, unit="B", unit_scale=True) as progress:
                while block := reply.read(CHUNK):
                    out.write(block)
                    progress.update(len(block))
            if out.tell() < total:
                raise OSError(f"{out.tell():,} of {total:,} bytes came")
