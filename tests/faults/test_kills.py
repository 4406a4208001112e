"""What is killed outright at a random moment leaves whole files, and the next start goes on.

Each kind is killed at MOMENTS moments, which LABELNOISE_KILLS sets: with a larger number these tests are a campaign.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import nbformat
import numpy as np
import pytest

from labelnoise.book import project, stamps
from labelnoise.trials import Ledger

MOMENTS = int(os.environ.get("LABELNOISE_KILLS", "1"))
LONG = 240  # seconds; nothing here takes that long unless the machine is busy with other work

# Trials sleep in place of training, in threads, so that nothing needs the modules that train.
SWEEP = """
import sys, time, types
from concurrent.futures import ThreadPoolExecutor
def run(trial, given=None):
    time.sleep(0.01)
    return Record(trial=trial, weights_sha256="0" * 100_000, weights=bytes(100_000))
from labelnoise import trials
trials._running = sys.modules["labelnoise.trials._running"] = types.SimpleNamespace(run=run)
from labelnoise.trials import Ledger, Record, sweep, trial
if __name__ == "__main__":
    fields = dict(model="lenet", noise="paper-0.5", method="cross-entropy", profile="smoke")
    asked = [trial(seed=seed, **fields) for seed in range(int(sys.argv[2]))]
    def tell(progress):
        if progress.done:
            print("finished", flush=True)
    sweep(asked, Ledger(sys.argv[1]), ThreadPoolExecutor(2), workers=2, progress=tell)
"""

TRAINING = """
import sys
from labelnoise.trials import Ledger, sweep, trial
if __name__ == "__main__":
    fields = dict(model="lenet", noise="paper-0.5", method="cross-entropy", profile="smoke")
    print("started", flush=True)
    sweep([trial(seed=seed, **fields) for seed in range(int(sys.argv[2]))], Ledger(sys.argv[1]), workers=1)
"""

APPENDING = """
import sys
from labelnoise.trials import Ledger, Record, trial
fields = dict(model="lenet", noise="paper-0.5", method="cross-entropy", profile="smoke")
ledger = Ledger(sys.argv[1])
print("started", flush=True)
for seed in range(int(sys.argv[2])):
    record = Record(trial=trial(seed=seed, **fields), weights_sha256="0" * 500_000)
    if record.trial not in ledger:
        ledger.append(record)
        print(seed, flush=True)
"""

REPORT = """
import sys
from pathlib import Path
from labelnoise.own._outputs import write_folder
print("started", flush=True)
for k in range(int(sys.argv[2])):
    write_folder(Path(sys.argv[1]), {"k": k}, {f"{n}.bin": b"%d" % (k % 10) * 100_000 for n in range(5)})
"""

CHAPTER = """
import sys
from labelnoise.book import chapters, project
from pathlib import Path
project.root = lambda: Path(sys.argv[1])
if __name__ == "__main__":
    print("started", flush=True)
    list(chapters.draw(["01_noise"], {}, publish=True))
"""


def script(folder, text):
    path = folder / "script.py"
    path.write_text(text)
    return path


class Started:
    """A process with a group of its own, which alone is killed."""

    def __init__(self, *command):
        self.process = subprocess.Popen(
            [*command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def first_line(self):
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()

    def kill(self):
        """What it had still said, once it and all that it started are gone."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        return self.process.communicate(timeout=LONG)[0]

    def end(self):
        said, errors = self.process.communicate(timeout=LONG)
        assert self.process.returncode == 0, errors
        return said


def python(path, *arguments):
    return Started(sys.executable, path, *map(str, arguments))


def killed(started, wait):
    """What a process had said after its first line, until it was killed so many seconds later."""
    started.first_line()
    time.sleep(wait)
    return started.kill()


def moments(name, longest):
    """Random waits of up to so many seconds, the same ones each time."""
    draw = np.random.default_rng([len(name), MOMENTS]).uniform
    return [pytest.param(float(draw(0, longest)), id=f"{k}") for k in range(MOMENTS)]


def killed_at(name, longest):
    return pytest.mark.parametrize("wait", moments(name, longest))


def seeds(path):
    """The seeds of the finished trials, as often as they are on record."""
    return Counter(map(int, re.findall(r'^\{"key": .*?"seed": (\d+), .*"done".*\}$', path.read_text(), re.MULTILINE)))


def goes_on(path, count):
    """Every trial is there once, and a reader finds each."""
    assert {record.trial.seed for record in Ledger(path)} == set(range(count))
    assert seeds(path) == dict.fromkeys(range(count), 1)


@killed_at("appending", 0.3)
@pytest.mark.filterwarnings("ignore::labelnoise.trials.DamagedLine")
def test_a_writer_that_is_killed_loses_nothing_that_it_said_was_on_record(tmp_path, wait):
    path, writer = tmp_path / "records.jsonl", script(tmp_path, APPENDING)
    started = python(writer, path, 1000)
    said = [int(seed) for seed in killed(started, wait).split()]
    there = {record.trial.seed for record in Ledger(path)}
    assert there >= set(said)
    assert len(there) <= len(said) + 1
    count = len(there) + 3
    python(writer, path, count).end()
    goes_on(path, count)


@killed_at("sweeping", 0.5)
@pytest.mark.filterwarnings("ignore::labelnoise.trials.DamagedLine")
def test_of_two_sweeps_on_one_ledger_one_is_killed_and_each_trial_is_there_once(tmp_path, wait):
    path, sweeping = tmp_path / "records.jsonl", script(tmp_path, SWEEP)
    both = [python(sweeping, path, 40) for _ in range(2)]
    killed(both[0], wait)
    both[1].end()
    goes_on(path, 40)
    python(sweeping, path, 42).end()
    goes_on(path, 42)
    assert len(list(path.with_suffix(".fits").glob("*.safetensors"))) == 42


@killed_at("training", 10)
def test_a_sweep_that_trains_is_killed_and_the_next_one_goes_on(tmp_path, wait):
    path, sweeping = tmp_path / "records.jsonl", script(tmp_path, TRAINING)
    started = python(sweeping, path, 1000)
    killed(started, wait)
    count = len(list(Ledger(path))) + 1
    kept = path.read_bytes() if path.exists() else b""
    python(sweeping, path, count).end()
    assert path.read_bytes().startswith(kept)
    goes_on(path, count)


@killed_at("reporting", 0.3)
def test_a_report_is_killed_while_it_is_written_and_is_whole_or_not_there(tmp_path, wait):
    out, writer = tmp_path / "out", script(tmp_path, REPORT)
    started = python(writer, out, 100_000)
    killed(started, wait)
    if out.exists():
        assert sorted(os.listdir(out)) == [*(f"{n}.bin" for n in range(5)), "report.json"]
        assert len({(out / f"{n}.bin").read_bytes() for n in range(5)}) == 1
        assert (out / "0.bin").stat().st_size == 100_000
    python(writer, out, 1).end()
    assert {path.read_bytes() for path in out.glob("*.bin")} == {b"0" * 100_000}


@pytest.fixture
def checkout(tmp_path):
    """The book's first chapter and its records, to be published again."""
    there, here = project.root(), tmp_path / "checkout"
    for folder in ("notebooks", "book/chapters", "results"):
        (here / folder).mkdir(parents=True)
    shutil.copy(there / "notebooks" / "01_noise.ipynb", here / "notebooks")
    (here / "results" / "trials.jsonl").symlink_to(there / "results" / "trials.jsonl")
    shutil.copy(there / "_toc.yml", here)
    return here


@killed_at("publishing", 12)
def test_a_chapter_is_killed_while_it_is_published_and_the_published_one_is_untouched(checkout, wait):
    publishing, page = script(checkout.parent, CHAPTER), checkout / "book" / "chapters" / "01_noise.ipynb"
    page.write_text(old := '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}\n')
    started = python(publishing, checkout)
    killed(started, wait)
    after = page.read_text()
    finished = stamps.comparable(nbformat.read(project.published_path("01_noise"), as_version=4))
    assert after == old or stamps.comparable(nbformat.reads(after, as_version=4)) == finished
    python(publishing, checkout).end()
    assert stamps.comparable(nbformat.read(page, as_version=4)) == finished


@killed_at("building", 6)
def test_a_build_of_the_book_is_killed_and_the_next_one_is_right(tmp_path, wait):
    book = tmp_path / "book"
    book.mkdir()
    (book / "_config.yml").write_text('title: Toy\nexecute: {execute_notebooks: "off"}\n')
    (book / "_toc.yml").write_text("format: jb-book\nroot: intro\nchapters:\n- file: a\n- file: b\n")
    for name in ("intro", "a", "b"):
        (book / f"{name}.md").write_text(f"# Page {name}\n\nText of {name}.\n")
    build = [str(Path(sys.executable).with_name("jupyter-book")), "build", "-q", "--all", str(book)]
    started = Started(*build)
    time.sleep(wait)
    started.kill()
    Started(*build).end()
    for name in ("intro", "a", "b"):
        assert f"Text of {name}." in (book / "_build" / "html" / f"{name}.html").read_text()
