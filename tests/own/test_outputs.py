"""Folders appear whole or not at all, and a reader that has gone is no mistake."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from labelnoise.errors import InputError
from labelnoise.own import _outputs
from labelnoise.own._outputs import check_folder, write_folder


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tree(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.mark.parametrize("path", ["a", "a/b", "a/b/c", "./a"])
def test_folders_are_made_when_there_is_something_to_write(here, path):
    check_folder(Path(path))
    assert tree(here) == {}
    write_folder(Path(path), {"x": 1}, {"y.txt": b"y"})
    assert {each.name for each in Path(path).iterdir()} == {"report.json", "y.txt"}


@pytest.mark.parametrize("path", ["file", "file/a", "file/a/b"])
def test_a_file_in_the_way_is_named(here, path):
    Path("file").write_text("x")
    with pytest.raises(InputError, match="file is a file; name a"):
        check_folder(Path(path))
    assert Path("file").read_text() == "x"


@pytest.mark.parametrize("stop", [KeyboardInterrupt, MemoryError, OSError(28, "No space left on device")])
@pytest.mark.parametrize("before", [True, False], ids=["a report before", "none before"])
@pytest.mark.parametrize("at", range(3))
def test_whatever_stops_it_an_earlier_report_stays_and_nothing_is_left(here, monkeypatch, stop, before, at):
    Path("x").mkdir()
    if before:
        write_folder(Path("x/out"), {"x": 1}, {"y.txt": b"y", "z.txt": b"z"})
    expected, written, write = tree(here), [], Path.write_bytes

    def failing(path, content):
        if len(written) == at:
            raise stop
        written.append(path)
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", failing)
    with pytest.raises(InputError if isinstance(stop, OSError) else stop):
        write_folder(Path("x/out"), {"x": 2}, {"y.txt": b"2", "z.txt": b"2"})
    assert tree(here) == expected


def test_an_earlier_report_stays_if_the_new_one_can_not_take_its_place(here, monkeypatch):
    write_folder(Path("out"), {"x": 1}, {"y.txt": b"y"})
    expected, rename = tree(here), Path.rename

    def failing(path, target):
        if path.name == "new":
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(_outputs.Path, "rename", failing)
    with pytest.raises(KeyboardInterrupt):
        write_folder(Path("out"), {"x": 2}, {"y.txt": b"2"})
    assert tree(here) == expected


KILLED = """
import os, signal, sys
from pathlib import Path
from labelnoise.own._outputs import write_folder
rename = Path.rename
def last(path, target):
    rename(path, target)
    if path.name == sys.argv[1]:
        os.kill(os.getpid(), signal.SIGKILL)
Path.rename = last
write_folder(Path("out"), {"x": 2}, {"y.txt": b"2"})
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize(("moved", "found"), [("out", b"1"), ("new", b"2")])
def test_a_process_that_is_killed_between_two_moves_leaves_the_old_report_or_the_new_one(here, moved, found):
    write_folder(Path("out"), {"x": 1}, {"y.txt": b"1"})
    assert subprocess.run([sys.executable, "-c", KILLED, moved]).returncode == -signal.SIGKILL
    check_folder(Path("out"))
    assert Path("out", "y.txt").read_bytes() == found
    assert os.listdir() == ["out"]


def test_what_a_killed_process_left_beside_a_report_is_removed_once_nobody_can_be_writing_there(here):
    recent, old, other = Path(".out-aaaaaaaa.partial"), Path(".out-bbbbbbbb.partial"), Path(".out-copied")
    for each in (recent, old, other):
        (each / "new").mkdir(parents=True)
    for each in (old, other):
        os.utime(each, (0, 0))
    check_folder(Path("out"))
    assert sorted(os.listdir()) == [recent.name, other.name]


@pytest.fixture
def estimate():
    """A command that takes labels and probabilities which are there."""
    labels = np.arange(300) % 3
    np.save("labels.npy", labels)
    np.save("probs.npy", 0.7 * np.eye(3)[labels] + 0.1)
    return [sys.executable, "-m", "labelnoise.cli", "estimate", "--labels", "labels.npy", "--probs", "probs.npy"]


@pytest.mark.parametrize(
    ("mistake", "closed"),
    [([], ["stdout"]), (["--labels", "none.npy"], ["stderr"]), (["--labels", "none.npy"], ["stdout", "stderr"])],
    ids=["of a report", "of what a mistake is", "of all"],
)
def test_a_pipe_that_is_closed_ends_quietly(estimate, mistake, closed):
    reader, writer = os.pipe()
    os.close(reader)  # as head does when it has read enough
    with os.fdopen(writer, "wb") as pipe:
        files = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | dict.fromkeys(closed, pipe)
        done = subprocess.run([*estimate, *mistake], **files, text=True)
    assert not done.stdout
    assert not done.stderr
    assert done.returncode == 141


@pytest.mark.parametrize("closed", ["<&- >&-", "<&- >&- 2>&-"])
def test_files_that_were_closed_before_a_command_are_no_mistake(estimate, closed):
    shell = ["sh", "-c", f'exec "$@" {closed}', "sh"]
    done = subprocess.run([*shell, *estimate, "--out", "report"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "report.json" in os.listdir("report")
