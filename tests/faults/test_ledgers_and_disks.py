"""A damaged ledger and a full disk lose nothing else, and are named in one sentence."""

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import types
import warnings
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import Mock

import broken_ledgers
import numpy as np
import pytest
import sleeping
import torch
from nbformat import v4

import labelnoise
from labelnoise import cli
from labelnoise._files import write_whole
from labelnoise.book import chapters, stamps
from labelnoise.errors import InputError
from labelnoise.own._outputs import write_folder
from labelnoise.trials import DamagedLine, Ledger, encode

LEDGERS = list(
    broken_ledgers.broken([types.SimpleNamespace(to_json=lambda: {"key": "0" * 16, "trial": {}, "x": "0" * 300})] * 3)
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "records.jsonl"


def read(path, trials):
    """Which trials are served, by seed, and what is said of the file."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ledger = Ledger(path)
        found = {trial.seed for trial in trials if trial in ledger}
        assert {record.trial.seed for record in ledger} == found
    return found, [str(w.message) for w in caught if w.category is DamagedLine]


@pytest.mark.parametrize("name", LEDGERS)
def test_a_damaged_ledger_loses_what_is_damaged_alone_and_says_which(path, tiny, made_up, name):
    records = [made_up(tiny(seed=seed)) for seed in range(3)]
    content, served, says = broken_ledgers.broken(records)[name]
    path.write_bytes(content)
    trials = [record.trial for record in records]
    found, said = read(path, trials)
    assert found == served
    assert bool(said) == (says is not None)
    for sentence in said:
        assert re.fullmatch(r"[^\n]+\.jsonl line \d+ [^\n]+\.", sentence)
        assert says in sentence

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DamagedLine)
        ledger = Ledger(path)
        for record in records:
            if record.trial not in ledger:
                ledger.append(record)
    assert path.read_bytes().startswith(content)
    assert read(path, trials)[0] == {0, 1, 2}


# What stands in the place of a ledger.
IN_ITS_PLACE = {
    "a folder": Path.mkdir,
    "a link to a folder": lambda path: path.symlink_to(path.parent),
    "a pipe": os.mkfifo,
    "a link to a device": lambda path: path.symlink_to(os.devnull),
}


@pytest.mark.parametrize("make", IN_ITS_PLACE.values(), ids=IN_ITS_PLACE)
def test_what_is_no_file_in_the_place_of_a_ledger_is_named(path, make):
    make(path)
    # In a process of its own, which is ended should it wait for a pipe.
    command = [sys.executable, "-m", "labelnoise.cli", "chapter", "sgd", "--dry-run"]
    environment = os.environ | {"LABELNOISE_LEDGER": str(path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    said = f"labelnoise: {path} is a folder, a device or a pipe; name a file for the records.\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


@contextmanager
def room_for(n_bytes):
    """No file can grow beyond these: the write that would is cut short, as on a full disk, and the next one fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def page(text):
    cell = v4.new_markdown_cell(text, id="text")
    return v4.new_notebook(cells=[cell], metadata={"labelnoise": {"trials": text}})


def data_page(text):
    output = v4.new_output("display_data", data={stamps.CSV: text})
    cell = v4.new_code_cell("", id="c", outputs=[output], metadata={"mystnb": {"figure": {"name": "fig"}}})
    return v4.new_notebook(cells=[cell])


def noisy_set(size):
    return labelnoise.NoisySet(torch.zeros((size, 1, 4, 4), dtype=torch.uint8), np.arange(size) % 3)


# What is written in place of what: a name to a function of a folder and of whether it is the second time.
WRITES = {
    "a page of the book": lambda folder, again: chapters.write(page(f"{again}" * 200), folder / "page.ipynb"),
    "the data of a figure": lambda folder, again: stamps.write_data(
        data_page(f"{again}" * 200), folder / "chapters" / "x"
    ),
    "a report": lambda folder, again: write_folder(folder / "out", {"x": again}, {"page.html": b"%d" % again * 900}),
    "a file": lambda folder, again: write_whole(folder / "file.bin", b"%d" % again * 900),
    "a set of labels": lambda folder, again: labelnoise.write_npz(folder / "set.npz", noisy_set(60 * 10**again)),
}
ROOM = [0, 1, 100, 300]  # bytes


def tree(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("room", ROOM)
@pytest.mark.parametrize("name", WRITES)
def test_a_full_disk_leaves_what_was_there_and_the_next_write_is_right(tmp_path, name, room):
    write, folder = WRITES[name], tmp_path / "place"
    write(tmp_path / "elsewhere", True)
    folder.mkdir()
    write(folder, False)
    before = tree(folder)
    with pytest.raises((InputError, OSError)) as caught, room_for(room):
        write(folder, True)
    error = caught.value
    assert "too large" in str(error) or "full" in str(error)
    assert isinstance(error, InputError) or Path(error.filename).parent.resolve().is_relative_to(folder.resolve())
    assert tree(folder) == before
    write(folder, True)
    assert {each.relative_to(folder): content for each, content in tree(folder).items()} == {
        each.relative_to(tmp_path / "elsewhere"): content for each, content in tree(tmp_path / "elsewhere").items()
    }


# How many bytes of a record the disk still takes; the weights of a record are larger than its line.
RECORD_ROOM = [0, 1, 20, 100, 1000]


@pytest.mark.parametrize("room", RECORD_ROOM)
def test_a_full_disk_leaves_a_ledger_as_it_was_and_the_next_start_goes_on(path, tiny, made_up, room):
    first, second = made_up(tiny(seed=0)), made_up(tiny(seed=1))
    ledger = Ledger(path)
    ledger.append(first)
    before = path.read_bytes()
    assert room < len(encode(second))
    with room_for(len(before) + room), pytest.raises(InputError, match=r"records\.jsonl can't be written: .*again\.$"):
        ledger.append(second)
    assert path.read_bytes() == before
    assert list(Ledger(path)) == [first]
    ledger.keep(second)
    assert list(Ledger(path)) == [first, second]


@pytest.mark.parametrize("room", RECORD_ROOM)
def test_a_full_disk_leaves_no_part_of_the_weights(path, made_up, room):
    record = made_up(weights=sleeping.WEIGHTS)
    ledger = Ledger(path)
    with room_for(room), pytest.raises(InputError, match=rf"{record.trial.key}\.safetensors can't be written: "):
        ledger.append(record)
    assert os.listdir(path.with_suffix(".fits")) == ["lock"]
    assert list(Ledger(path)) == []
    ledger.append(record)
    assert Ledger(path).find_fit(record.trial).weights == record.weights


# Permissions say nothing to root; a file where a folder is due stops everybody.
@pytest.mark.parametrize("file", ["results", "results/records.fits"])
def test_results_that_can_not_be_written_are_named(tmp_path, made_up, file):
    path = tmp_path / "results" / "records.jsonl"
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("kept")
    with pytest.raises(InputError, match=rf"{file} can't be written: |{file}/\S* can't be written: "):
        Ledger(path).append(made_up())
    assert (tmp_path / file).read_text() == "kept"


def test_the_command_names_the_file_that_a_full_disk_stops(tmp_path, monkeypatch, capsys):
    def run(options):
        with room_for(10):
            write_whole(tmp_path / "kept.bin", b"x" * 100)

    monkeypatch.setattr("labelnoise.book.commands.data.run", run)
    assert cli.main(["data"]) == 2
    assert capsys.readouterr().err == f"labelnoise: {tmp_path}/kept.bin can't be read or written: File too large.\n"
    assert os.listdir(tmp_path) == []


def test_the_command_names_the_first_of_many_files_that_a_full_disk_stops(tmp_path, monkeypatch, capsys):
    (tmp_path / "book").mkdir()
    for name in "ab":
        (tmp_path / "book" / name).write_bytes(b"x" * 100)

    def run(options):
        with room_for(10):
            shutil.copytree(tmp_path / "book", tmp_path / "copy")  # as the folder of the book is, to render a page

    monkeypatch.setattr("labelnoise.book.commands.data.run", run)
    assert cli.main(["data"]) == 2
    said = rf"labelnoise: {tmp_path}/copy/[ab] can't be read or written: [^\n]*File too large[^\n]*\.\n"
    assert re.fullmatch(said, capsys.readouterr().err)


@pytest.mark.parametrize(
    ("error", "said"), [(OSError("two\nlines"), "OSError: two"), (shutil.Error("same file"), "Error: same file")]
)
def test_an_error_of_files_without_words_of_the_system_is_told_in_its_own(error, said, monkeypatch, capsys):
    monkeypatch.setattr("labelnoise.book.commands.data.run", Mock(side_effect=error))
    assert cli.main(["data"]) == 2
    assert capsys.readouterr().err == f"labelnoise: A file can't be read or written: {said}.\n"


def test_the_page_on_what_was_tried_has_their_numbers():
    page = " ".join((Path(__file__).parents[2] / "book" / "tried.md").read_text().split())
    damaged, places = len(LEDGERS) - len({"as it should be"}), len(WRITES) * len(ROOM) + 2 * len(RECORD_ROOM)
    assert f"Of {damaged} damaged ledgers each" in page
    assert f"a disk that is full stops writes at {places} places" in page
