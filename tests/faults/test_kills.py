"""What is killed outright at a random moment leaves whole files, and the next start goes on.

Each kind is killed at MOMENTS moments, which LABELNOISE_KILLS sets: with a larger number these tests are a campaign.
The next start is one in this process, which has imported all that it needs.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import numpy as np
import pytest
import sleeping
from dask_cluster import LONG, started, wait_until
from nbformat import v4

from labelnoise.book import chapters, project, stamps
from labelnoise.errors import InputError
from labelnoise.own._outputs import check_folder, write_folder
from labelnoise.trials import Ledger, cluster, sweep

MOMENTS = int(os.environ.get("LABELNOISE_KILLS", "1"))
KINDS = []  # what is killed, as book/tried.md has it
HERE = Path(__file__).parent

APPENDING = """
import sys
from labelnoise.trials import Ledger, Record
from sleeping import asked
ledger = Ledger(sys.argv[1])
print("started", flush=True)
for trial in asked(1000):
    ledger.append(Record(trial=trial, weights_sha256="0" * 500_000))
    print(trial.seed, flush=True)
"""
SWEEPING = """
import sys
from concurrent.futures import ThreadPoolExecutor
import sleeping
from labelnoise.trials import Ledger, sweep
sleeping.dask_setup()
def tell(progress):
    if progress.done:
        print("finished", flush=True)
sweep(sleeping.asked(40), Ledger(sys.argv[1]), ThreadPoolExecutor(2), workers=2, progress=tell)
"""
TRAINING = """
import sys
from labelnoise.trials import Ledger, sweep
from sleeping import SMALL, asked
def tell(progress):
    if progress.done:
        print("finished", flush=True)
sweep(asked(1000, **SMALL), Ledger(sys.argv[1]), workers=1, progress=tell)
"""
REPORTING = """
import sys
from pathlib import Path
from labelnoise.own._outputs import check_folder, write_folder
for k in range(100_000):
    write_folder(Path(sys.argv[1]), {"k": k}, {f"{n}.bin": b"%d" % (k % 10) * 100_000 for n in range(5)})
    print(k, flush=True)
"""
PUBLISHING = """
import sys
from labelnoise.book import chapters, project
from pathlib import Path
project.root = lambda: Path(sys.argv[1])
print("started", flush=True)
list(chapters.draw(["01_toy"], {}, publish=True))
"""
# The middle of a chapter takes a while, without work.
CHAPTER = f"""
import time
from IPython.display import display
time.sleep(1)
display({{"{stamps.CSV}": "n\\n42"}}, raw=True)
"""


class Started:
    """A process with a group of its own, which alone is killed."""

    def __init__(self, *command):
        self.process = subprocess.Popen(
            [*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])},
        )  # fmt: skip

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


def python(code, *arguments):
    return Started(sys.executable, "-c", code, *arguments)


def killed(started, wait):
    """What a process had said after its first line, until it was killed so many seconds later."""
    started.first_line()
    time.sleep(wait)
    return started.kill()


def killed_at_random(kind, longest):
    """Run a test for MOMENTS random waits of up to so many seconds, the same ones each time."""
    KINDS.append(kind)
    draw = np.random.default_rng([len(kind), MOMENTS]).uniform
    waits = [pytest.param(float(draw(0, longest)), id=f"{k}") for k in range(MOMENTS)]
    return pytest.mark.parametrize("wait", waits)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "records.jsonl"


def go_on(path, count, **fields):
    """Sweep in this process; then every trial is there once, and a reader finds each."""
    with ThreadPoolExecutor(1) as pool:
        sweep(sleeping.asked(count, **fields), Ledger(path), pool, workers=1)
    assert {record.trial.seed for record in Ledger(path)} == set(range(count))
    assert seeds(path) == dict.fromkeys(range(count), 1)


def seeds(path):
    """The seeds of the finished trials, as often as they are on record."""
    return Counter(map(int, re.findall(r'^\{"key": .*?"seed": (\d+), .*"done".*\}$', path.read_text(), re.MULTILINE)))


@pytest.fixture
def asleep(monkeypatch):
    """Trials sleep in this process too."""
    monkeypatch.setattr("labelnoise.trials._running.run", sleeping.run)


@killed_at_random("a process that appends a record", 0.3)
@pytest.mark.filterwarnings("ignore::labelnoise.trials.DamagedLine")
def test_a_writer_that_is_killed_loses_nothing_that_it_said_was_on_record(path, asleep, wait):
    said = {int(seed) for seed in killed(python(APPENDING, path), wait).split()}
    there = {record.trial.seed for record in Ledger(path)}
    assert there >= said
    assert len(there) <= len(said) + 1
    go_on(path, len(there) + 3)


@killed_at_random("one of two sweeps on a ledger", 0.5)
@pytest.mark.filterwarnings("ignore::labelnoise.trials.DamagedLine")
def test_of_two_sweeps_on_one_ledger_one_is_killed_and_each_trial_is_there_once(path, asleep, wait):
    both = [python(SWEEPING, path) for _ in range(2)]
    killed(both[0], wait)
    both[1].end()
    assert seeds(path) == dict.fromkeys(range(40), 1)
    go_on(path, 42)
    assert len(list(path.with_suffix(".fits").glob("*.safetensors"))) == 42


@killed_at_random("a sweep that trains", 2)
def test_a_sweep_that_trains_is_killed_and_the_next_one_goes_on(path, wait):
    killed(python(TRAINING, path), wait)
    kept, count = path.read_bytes(), len(list(Ledger(path)))
    assert count >= 1
    go_on(path, count + 1, **sleeping.SMALL)
    assert path.read_bytes().startswith(kept)


@pytest.fixture(scope="module")
def dask(tmp_path_factory):
    """Gives a cluster of workers whose trials sleep; another one, when the scheduler has been killed."""
    with contextlib.ExitStack() as ending:
        clusters = []

        def get(count):
            if not clusters or clusters[-1].scheduler.poll() is not None:
                clusters.append(ending.enter_context(started(tmp_path_factory.mktemp("dask"))))
            own = clusters[-1]
            for _ in range(count - len(own.client.nthreads())):
                own.add_worker("--nthreads", "1", "--preload", HERE / "sleeping.py")
            wait_until(lambda: len(own.client.nthreads()) >= count)
            return own

        yield get


def sweep_until(path, address, wait, kill):
    """The sentence by which a sweep on a cluster ends of which something is killed after so many seconds, if any."""
    timer = threading.Timer(wait, kill)
    try:
        with cluster.connect(address) as (executor, workers):
            timer.start()
            sweep(sleeping.asked(60), Ledger(path), executor, workers=workers)
    except InputError as error:
        return str(error)
    finally:
        timer.join()
    return ""


@killed_at_random("a worker of Dask", 0.6)
def test_a_worker_of_dask_is_killed_and_the_sweep_goes_on_with_the_other(path, dask, asleep, wait):
    own = dask(2)
    victim = next(iter(own.client.run(os.getpid).values()))
    assert sweep_until(path, own.address, wait, lambda: os.kill(victim, signal.SIGKILL)) == ""
    go_on(path, 60)


@killed_at_random("the scheduler of Dask", 0.6)
def test_the_scheduler_of_dask_is_killed_and_the_next_sweep_goes_on(path, dask, asleep, wait, monkeypatch):
    own = dask(1)
    monkeypatch.setattr(cluster, "PATIENCE_SECONDS", 2)
    said = sweep_until(path, own.address, wait, own.scheduler.kill)
    own.scheduler.wait()
    assert said.endswith(cluster.GO_ON) or (said == "" and len(seeds(path)) == 60)
    go_on(path, 61)


@killed_at_random("a report that is written", 0.3)
def test_a_report_is_killed_while_it_is_written_and_the_next_start_finds_it_whole(tmp_path, wait):
    out, names = tmp_path / "out", [f"{n}.bin" for n in range(5)]
    killed(python(REPORTING, out), wait)
    check_folder(out)
    assert sorted(os.listdir(out)) == [*names, "report.json"]
    assert {(out / name).read_bytes() for name in names} == {(out / "0.bin").read_bytes()}
    assert (out / "0.bin").stat().st_size == 100_000
    write_folder(out, {}, {"new.bin": b"new"})
    assert sorted(os.listdir(out)) == ["new.bin", "report.json"]


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A book of one chapter, which is published."""
    root = tmp_path / "checkout"
    for folder in ("notebooks", "book/chapters", "results"):
        (root / folder).mkdir(parents=True)
    (root / "_toc.yml").write_text("format: jb-book\nroot: intro\nchapters:\n- file: chapters/01_toy\n")
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    cell = v4.new_code_cell(CHAPTER.strip(), id="code", metadata={"mystnb": {"figure": {"name": "fig"}}})
    nbformat.write(v4.new_notebook(cells=[cell], metadata=kernel), root / "notebooks" / "01_toy.ipynb")
    monkeypatch.setattr(project, "root", lambda: root)
    monkeypatch.delenv("LABELNOISE_LEDGER", raising=False)
    return root


@killed_at_random("a chapter that is published", 4)
def test_a_chapter_is_killed_while_it_is_published_and_the_published_one_is_untouched(checkout, wait):
    page = checkout / "book" / "chapters" / "01_toy.ipynb"
    page.write_text(old := '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}\n')
    killed(python(PUBLISHING, checkout), wait)
    after = page.read_text()
    list(chapters.draw(["01_toy"], {}, publish=True))
    new = nbformat.read(page, as_version=4)
    assert new.cells[0].outputs[0].data == {stamps.CSV: "n\n42"}
    assert after == old or stamps.comparable(nbformat.reads(after, as_version=4)) == stamps.comparable(new)
    assert (checkout / "book" / "_static" / "data" / "01_toy" / "fig.csv").read_text() == "n\n42"


@killed_at_random("a build of the book", 4)
def test_a_build_of_the_book_is_killed_and_the_next_one_is_right(tmp_path, wait):
    book = tmp_path / "book"
    book.mkdir()
    (book / "_config.yml").write_text('title: Toy\nexecute: {execute_notebooks: "off"}\n')
    (book / "_toc.yml").write_text("format: jb-book\nroot: intro\nchapters:\n- file: a\n- file: b\n")
    for name in ("intro", "a", "b"):
        (book / f"{name}.md").write_text(f"# Page {name}\n\nText of {name}.\n")
    build = [Path(sys.executable).with_name("jupyter-book"), "build", "-q", "--all", book]
    first = Started(*build)
    time.sleep(wait)
    first.kill()
    Started(*build).end()
    for name in ("intro", "a", "b"):
        assert f"Text of {name}." in (book / "_build" / "html" / f"{name}.html").read_text()


def test_the_page_on_what_was_tried_tells_of_each_kind():
    page = " ".join((HERE.parents[1] / "book" / "tried.md").read_text().split())
    assert f"kills of {len(KINDS)} kinds, at random moments: {', '.join(KINDS[:-1])}, and {KINDS[-1]}" in page
