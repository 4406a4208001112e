import fnmatch
import os
import threading
from pathlib import Path

import pytest

from labelnoise._files import check_target, write_whole
from labelnoise.errors import InputError


def test_a_file_is_written_with_its_folder_and_replaced(tmp_path):
    path = tmp_path / "new" / "file.bin"
    for content in (b"first", b"second, longer"):
        write_whole(path, content)
        assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "file.bin"
    path.write_bytes(b"as it was")

    def fail(source, target):
        assert path.read_bytes() == b"as it was"
        raise OSError("the disk is gone")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="the disk is gone"):
        write_whole(path, b"new")
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"as it was"


def test_who_reads_while_others_write_sees_one_of_them_whole(tmp_path):
    path = tmp_path / "file.bin"
    contents = [bytes([k]) * 100_000 for k in range(4)]
    write_whole(path, contents[0])
    writers = [threading.Thread(target=lambda c=c: [write_whole(path, c) for _ in range(20)]) for c in contents]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert path.read_bytes() in contents
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_may_be_read_by_whom_others_may(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    write_whole(tmp_path / "whole", b"")
    assert (tmp_path / "whole").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_what_a_killed_process_leaves_of_a_file_is_ignored_by_git(tmp_path, monkeypatch):
    partial = []
    monkeypatch.setattr(os, "replace", lambda source, target: partial.append(source.name))
    write_whole(tmp_path / "page.ipynb", b"new")
    ignored = (Path(__file__).parents[1] / ".gitignore").read_text().split()
    assert any(fnmatch.fnmatch(partial[0], pattern) for pattern in ignored)
    assert not any(fnmatch.fnmatch("page.ipynb", pattern) for pattern in ignored)


BAD_TARGETS = {
    ".": "is a folder, a device or a pipe; name a file to write",
    "loop": "leads nowhere: ",
    "file/new": "leads nowhere: file is no folder",
}
if hasattr(os, "mkfifo"):  # not on Windows
    BAD_TARGETS |= {
        "pipe": "pipe is a folder, a device or a pipe; name a file to write",
        "pipe/new/new": "leads nowhere: pipe is no folder",
        "a" * 300: "leads nowhere: File name too long",
    }


def test_only_a_regular_file_is_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("link").symlink_to("file")
    Path("loop").symlink_to("loop")
    if "pipe" in BAD_TARGETS:
        os.mkfifo("pipe")
    for good in ("file", "link", "new", "new/new", str(tmp_path / "new")):
        assert check_target(good) == Path(good)
    for bad, said in BAD_TARGETS.items():
        with pytest.raises(InputError, match=said):
            check_target(bad)
