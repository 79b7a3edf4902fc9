"""Is a download whole, made once, and continued where it was interrupted?"""

import contextlib
import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from errno import ECONNREFUSED
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.runtime import downloads
from pipeline.runtime.downloads import RemoteFile, fetch

CONTENT = bytes(range(256)) * 40
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"
CLOSED = "http://127.0.0.1:9/data.bin"  # the discard port


@pytest.fixture
def server():
    """A web server of CONTENT; it sends `share` of a reply, and `ranges` where that is true."""

    class Handler(BaseHTTPRequestHandler):
        share = 1.0
        ranges = True
        requests: list = []  # noqa: RUF012

        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            Handler.requests.append(asked)
            first = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
            if asked and self.ranges and first >= len(CONTENT):
                self.send_error(416)
                return
            first = first if self.ranges else 0
            body = CONTENT[first:]
            self.send_response(206 if first else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: int(self.share * len(body))])

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True).start()
        Handler.url = f"http://127.0.0.1:{httpd.server_port}/data.bin"
        yield Handler
        httpd.shutdown()


def file(url: str, known_hash: str | None = SHA256, path: str = "data.bin") -> RemoteFile:
    return RemoteFile(path, url, known_hash)


def refusal(files: list[RemoteFile], folder: Path) -> str:
    """Return the sentence with which a download is refused."""
    with pytest.raises(InputError) as caught:
        fetch(files, folder)
    message = str(caught.value)
    assert "\n" not in message
    return message


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("known_hash", [SHA256, MD5, None])
def test_download_happens_once(server, tmp_path: Path, known_hash: str | None) -> None:
    for _ in range(2):
        [path] = fetch([file(server.url, known_hash, "a/data.bin")], tmp_path / "new")
        assert path == tmp_path / "new/a/data.bin"
        assert path.read_bytes() == CONTENT
    assert server.requests == [None]
    assert names(path.parent) == ["data.bin"]


def test_colleagues_can_read_what_was_downloaded(server, tmp_path: Path) -> None:
    [path] = fetch([file(server.url)], tmp_path)
    (tmp_path / "plain").touch()
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_file_at_hand_is_used_whatever_its_content(tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_text("placed by hand")
    assert fetch([file(CLOSED)], tmp_path) == [tmp_path / "data.bin"]
    assert (tmp_path / "data.bin").read_text() == "placed by hand"


def test_no_network_says_what_to_put_where(tmp_path: Path) -> None:
    files = [file(CLOSED), file(CLOSED, None, "b"), file(CLOSED, MD5, "c")]
    (tmp_path / "c").touch()
    assert refusal(files, tmp_path) == (
        f"cannot download {CLOSED} (urlopen error [Errno {ECONNREFUSED}] Connection refused); "
        f"get it elsewhere and put by hand {tmp_path / 'data.bin'} ({SHA256}), "
        f"{tmp_path / 'b'} (no published hash)"
    )
    assert names(tmp_path) == ["c"]


@pytest.mark.parametrize("known_hash", [SHA256, MD5, None])
def test_partial_download_is_no_file(server, tmp_path: Path, known_hash: str | None) -> None:
    server.share = 0.0
    message = refusal([file(server.url, known_hash)], tmp_path / "new")
    assert f"{server.url} (0 of 10,240 bytes came)" in message
    assert list((tmp_path / "new").iterdir()) == []
    server.share = 0.5
    message = refusal([file(server.url, known_hash)], tmp_path / "new")
    assert "5,120 of 10,240 bytes came" in message
    # What came stays under another name where a hash can tell whether the rest fits.
    assert names(tmp_path / "new") == ([".data.bin.part"] if known_hash else [])


def test_wrong_content_leaves_nothing_behind(server, tmp_path: Path) -> None:
    message = refusal([file(server.url, "sha256:" + "0" * 64)], tmp_path / "new")
    assert "SHA256 hash of downloaded file (data.bin) does not match" in message
    assert list((tmp_path / "new").iterdir()) == []


def test_missing_page_is_named(server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "do_GET", lambda self: self.send_error(404))
    assert "(HTTP Error 404: Not Found)" in refusal([file(server.url)], tmp_path)


@pytest.fixture
def interrupted(server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder where a download was interrupted after 4,000 bytes."""

    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    folder = tmp_path / "new"
    with monkeypatch.context() as patch:
        patch.setattr(downloads, "CHUNK", 4000)
        patch.setattr(downloads.Progress, "update", interrupt)
        with pytest.raises(KeyboardInterrupt):
            fetch([file(server.url)], folder)
    assert names(folder) == [".data.bin.part"]
    assert (folder / ".data.bin.part").read_bytes() == CONTENT[:4000]
    return folder


@pytest.mark.parametrize("ranges", [True, False])
def test_interrupted_download_is_continued(server, interrupted: Path, ranges: bool) -> None:
    server.ranges = ranges
    [path] = fetch([file(server.url)], interrupted)
    assert path.read_bytes() == CONTENT
    assert server.requests == [None, "bytes=4000-"]
    assert names(interrupted) == ["data.bin"]


def test_without_a_hash_a_download_starts_anew(server, interrupted: Path) -> None:
    [path] = fetch([file(server.url, None)], interrupted)
    assert path.read_bytes() == CONTENT
    assert server.requests == [None, None]


def test_parts_that_do_not_fit_together_are_dropped(server, interrupted: Path) -> None:
    (interrupted / ".data.bin.part").write_bytes(bytes(4000))
    assert "does not match" in refusal([file(server.url)], interrupted)
    assert fetch([file(server.url)], interrupted)[0].read_bytes() == CONTENT
    assert server.requests[1:] == ["bytes=4000-", None]


def test_interrupted_after_the_last_byte_is_whole(server, interrupted: Path) -> None:
    (interrupted / ".data.bin.part").write_bytes(CONTENT)
    assert fetch([file(server.url)], interrupted)[0].read_bytes() == CONTENT
    assert server.requests[1:] == [f"bytes={len(CONTENT)}-"]


def test_two_processes_do_not_write_to_one_file(
    server, interrupted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = downloads._append

    def after_another_process(url: str, path: Path) -> None:
        monkeypatch.setattr(downloads, "_append", append)
        fetch([file(server.url)], interrupted)
        append(url, path)

    monkeypatch.setattr(downloads, "_append", after_another_process)
    assert fetch([file(server.url)], interrupted)[0].read_bytes() == CONTENT
    assert server.requests == [None, None, "bytes=4000-"]
    assert names(interrupted) == ["data.bin"]


def test_folder_that_cannot_be_written_is_named(server, tmp_path: Path) -> None:
    (tmp_path / "new").write_text("a file where the folder should be")
    assert f"'{tmp_path / 'new'}'" in refusal([file(server.url)], tmp_path / "new")
    assert server.requests == []


@pytest.mark.parametrize("known_hash", [SHA256, None])
def test_downloads_side_by_side_publish_whole_files_alone(server, tmp_path, known_hash):
    """Some of the replies break off; what is under the name of the file is whole at any time."""
    done, seen = threading.Event(), set()

    def watch():
        while not done.wait(0.001):
            if (tmp_path / "data.bin").exists():
                seen.add((tmp_path / "data.bin").read_bytes())

    def once(number):
        server.share = 0.5 if number % 3 == 0 else 1.0
        with contextlib.suppress(InputError):
            fetch([file(server.url, known_hash)], tmp_path)

    watcher = threading.Thread(target=watch)
    watcher.start()
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(once, range(12)))
    done.set()
    watcher.join()
    fetch([file(server.url, known_hash)], tmp_path)
    assert seen <= {CONTENT}
    assert (tmp_path / "data.bin").read_bytes() == CONTENT
    assert set(names(tmp_path)) <= {"data.bin", ".data.bin.part"}
