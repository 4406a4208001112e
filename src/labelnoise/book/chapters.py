"""Running chapters: train what they miss, execute them with papermill, stamp them, put them in place."""

from __future__ import annotations

import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from labelnoise._files import write_whole
from labelnoise.book import claims, pages, parameters, project, stamps
from labelnoise.book.plan import Plan, by_estimators
from labelnoise.errors import InputError
from labelnoise.trials import missing, shown, sweep

# A kernel that is stopped says so on the terminal, as if somebody had interrupted it; what fails is in the notebook.
QUIET = {"extra_arguments": ["--log-level=CRITICAL"]}

# What a page must not depend on: a reader's language, place, settings and number of cores.
PLAIN_ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "PYTHONHASHSEED": "0",
    "PYTHONSTARTUP": "",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"),
}


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _empty(folder: str) -> dict[str, str]:
    """Files and folders of an execution's own, where else there could be a reader's settings."""
    settings = Path(folder) / "matplotlibrc"
    settings.touch()
    return {"LABELNOISE_READ": f"{folder}/read", "IPYTHONDIR": f"{folder}/ipython", "MATPLOTLIBRC": str(settings)}


def _refuse_noise(notebook: nbformat.NotebookNode, name: str) -> None:
    for number, cell in enumerate(notebook.cells, 1):
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                raise InputError(f"Chapter {name} failed in cell {number}: {output.ename}: {output.evalue}")
            if output.output_type == "stream" and output.name == "stderr":
                first = output.text.strip().splitlines()[0]
                raise InputError(f"Chapter {name} wrote to stderr in cell {number}: {first}")


def _without_volatile(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    for cell in notebook.cells:
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell["id"] = "injected-parameters"  # papermill draws one at random
        for key in ("papermill", "execution", "ExecuteTime"):
            cell.metadata.pop(key, None)
        if cell.cell_type == "code" and not cell.metadata.get("tags"):
            cell.metadata.pop("tags", None)
    notebook.metadata.pop("papermill", None)
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


def train(plans: Iterable[Plan], *, publish: bool = False, **options: Any) -> None:
    """Train the trials of plans that are not on record.

    Args:
        plans: what chapters ask for.
        publish: put the records among the published ones, those that a reader has already too.
        options: where and how, as `trials.sweep` takes it.

    Raises:
        SweepFailed: a trial failed.
    """
    own = ledger = project.ledger()
    if publish:
        ledger = project.published_ledger()
    for trials, estimators in by_estimators(plans):
        for trial in missing(trials, ledger, estimators) if publish else ():
            if record := own.find(trial, estimators):
                ledger.append(shown(record))  # without T of the reader's own estimators
        sweep(trials, ledger, estimators=estimators, **options)


def draw(names: Sequence[str], changed: Mapping[str, Any], *, publish: bool = False) -> Iterator[tuple[str, Path]]:
    """Execute chapters, into ``runs/`` with a rendered page or into the book: each name with what came of it.

    Several are executed side by side, one on each core, and those first that took long when last published.

    Args:
        names: the chapters.
        changed: parameters other than their defaults.
        publish: put them into the book.

    Raises:
        InputError: as `execute`.
    """
    if len(names) == 1:
        yield names[0], _draw(names[0], changed, publish)
    else:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(os.cpu_count(), mp_context=context) as pool:
            running = {
                name: pool.submit(_draw, name, changed, publish) for name in sorted(names, key=_took, reverse=True)
            }
            for name in names:
                yield name, running[name].result()
    if publish:
        book = project.root() / "book"
        write_whole(book / "figures.md", stamps.figures_page().encode())
        write_whole(book / "claims.md", claims.page().encode())


def _took(name: str) -> float:
    """The seconds in the stamp of a published chapter, 0 of one that is not there yet."""
    path = project.published_path(name)
    stamp = nbformat.read(path, as_version=4).metadata.get("labelnoise", {}) if path.exists() else {}
    return float(stamp.get("seconds", 0.0))


def _draw(name: str, changed: Mapping[str, Any], publish: bool) -> Path:
    notebook = execute(name, changed, (project.published_ledger() if publish else project.ledger()).path)
    if publish:
        claims.refuse_denied(notebook, name)
    path = project.published_path(name) if publish else project.root() / "runs" / name / f"{name}.ipynb"
    write(notebook, path)
    stamps.write_data(notebook, path)
    return path if publish else pages.render(path)


def execute(name: str, changed: Mapping[str, Any], ledger: Path) -> nbformat.NotebookNode:
    """Execute a chapter, and return it stamped and free of what changes from run to run.

    Args:
        name: the chapter.
        changed: parameters other than their defaults.
        ledger: the file where trials are looked up, and recorded should the chapter train any.

    Raises:
        InputError: an unknown chapter or parameter, a cell that failed, or one that wrote to stderr.
    """
    checked = parameters.check(name, changed)
    began = time.perf_counter()
    variables = {
        "LABELNOISE_LEDGER": str(ledger),
        "LABELNOISE_FOLDER": os.environ.get("LABELNOISE_FOLDER", str(Path.cwd())),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # a kernel's debugger warns about frozen modules on stderr
    }
    with tempfile.TemporaryDirectory() as folder, _environment(variables | PLAIN_ENVIRONMENT | _empty(folder)):
        output, read = Path(folder) / f"{name}.ipynb", Path(folder) / "read"
        # Sockets in a folder of its own: a kernel over TCP warns on the terminal that anyone here may listen.
        sockets = {"transport": "ipc", "ip": f"{folder}/kernel"}
        config = Config({"KernelManager": sockets, "NotebookClient": QUIET})
        try:
            papermill.execute_notebook(
                project.notebook_path(name), output, checked, cwd=project.root(), kernel_name="python3",
                progress_bar=False, config=config,
            )  # fmt: skip
        except PapermillExecutionError as error:
            if error.ename in ("InputError", "SweepFailed"):
                raise InputError(error.evalue) from None
            raise InputError(
                f"Chapter {name} failed in cell {error.exec_count}: {error.ename}: {error.evalue}"
            ) from None
        notebook = nbformat.read(output, as_version=4)
        records = {tuple(json.loads(line)) for line in read.read_text().splitlines()} if read.exists() else set()
    _refuse_noise(notebook, name)
    _without_volatile(notebook)
    stamps.add(notebook, stamps.stamp(name, checked, time.perf_counter() - began, records))
    return notebook


def write(notebook: nbformat.NotebookNode, path: Path) -> bool:
    """Put an executed chapter in place whole, unless what lies there says the same.

    Returns:
        Whether the file changed; time, processor and seconds alone don't count.
    """
    if path.exists() and stamps.comparable(nbformat.read(path, as_version=4)) == stamps.comparable(notebook):
        return False
    write_whole(path, (nbformat.writes(notebook).rstrip("\n") + "\n").encode())
    return True
