"""Are commands quoted, and do edits of a user's files show?"""

import os
import shlex

from pipeline.workflow.commands import content_digest, flags, split_options


def test_flags_quote_and_leave_out():
    assert flags(source="my images", subset=None, params={"b": 1, "a": "x y"}) == (
        """--source 'my images' --params '{"a": "x y", "b": 1}'"""
    )


def test_a_list_repeats_its_flag_and_quotes_each_entry():
    assert shlex.split(flags(layout=["a b", "c'd"])) == ["--layout", "a b", "--layout", "c'd"]
    assert flags(layout=[]) == ""


def test_options_of_a_method_are_parted():
    given = {"engine": "exact", "n_neighbors": 5}
    assert split_options(given) == {
        "engine": "exact",
        "subset": None,
        "start": None,
        "params": {"n_neighbors": 5},
    }
    assert given == {"engine": "exact", "n_neighbors": 5}


def test_the_digest_of_a_folder_follows_every_edit(tmp_path):
    (tmp_path / "b").mkdir()
    file = tmp_path / "b" / "1.png"
    file.write_bytes(b"one")
    seen = [content_digest(str(tmp_path))]
    assert content_digest(str(tmp_path)) == seen[0]
    file.write_bytes(b"two")
    os.utime(file, ns=(1, 1))
    seen.append(content_digest(str(tmp_path)))
    (tmp_path / "b" / "2.png").write_bytes(b"")
    seen.append(content_digest(str(tmp_path)))
    file.rename(tmp_path / "3.png")
    seen.append(content_digest(str(tmp_path)))
    assert len(set(seen)) == 4


def test_the_digest_follows_links(tmp_path):
    elsewhere, images = tmp_path / "elsewhere", tmp_path / "images"
    elsewhere.mkdir()
    images.mkdir()
    (elsewhere / "1.png").write_bytes(b"one")
    (images / "class").symlink_to(elsewhere)
    (images / "broken").symlink_to(tmp_path / "nowhere")
    before = content_digest(str(images))
    (elsewhere / "1.png").write_bytes(b"another")
    assert content_digest(str(images)) != before


def test_the_digest_of_a_file_follows_its_time_and_size(tmp_path):
    file = tmp_path / "data.npz"
    file.write_bytes(b"one")
    before = content_digest(str(file))
    os.utime(file, ns=(1, 1))
    assert content_digest(str(file)) != before
    assert content_digest("mnist") is None
