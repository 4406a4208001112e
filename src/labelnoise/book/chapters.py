"""Running a chapter: check its parameters, execute it with papermill, stamp it, put it in place."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

import labelnoise
from labelnoise.book import pages, parameters, project, stamps
from labelnoise.trials import Progress, missing, sweep
from labelnoise.errors import InputError
from labelnoise.trials import Ledger
from labelnoise.trials import Trial

# The modules a chapter's output can't depend on.
OUTSIDE_THE_SCIENCE = {"chapters.py", "cluster.py", "pages.py", "stamps.py", "cli.py"}
# Sockets in the file system: a kernel over TCP warns on the terminal that anyone here may listen.
# A kernel that is stopped says so on the terminal, as if somebody had interrupted it; what fails is in the notebook.
QUIET = ["--log-level=CRITICAL"]
KERNEL = Config({"KernelManager": {"transport": "ipc"}, "NotebookClient": {"extra_arguments": QUIET}})


def source_hash(name: str) -> str:
    """Of the source, the modules it may use with the files beside them: what a published page must stem from.

    The front page and its like show the other chapters' trials, so they stem from their sources too.
    """
    digest = hashlib.sha256()
    for chapter in project.sources() if name in project.OVERVIEWS else [name]:
        for cell in nbformat.read(project.source(chapter), as_version=4).cells:
            digest.update(f"{cell.cell_type}\n{json.dumps(cell.metadata, sort_keys=True)}\n{cell.source}\n".encode())
    for module in sorted(Path(labelnoise.__file__).parent.rglob("*.*")):
        if module.suffix in (".py", ".json", ".js", ".css") and module.name not in OUTSIDE_THE_SCIENCE:
            digest.update(module.name.encode() + module.read_bytes())
    return digest.hexdigest()


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


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


def _behind(name: str, given: Mapping[str, Any]) -> list[Trial]:
    """The trials that a page is drawn from: on the front page all of the book."""
    if name != project.FRONT_PAGE:
        return parameters.planned(name, given)
    return list(dict.fromkeys(trial for chapter in project.sources() for trial in parameters.planned(chapter)))


def execute(name: str, given: Mapping[str, Any], ledger: Ledger) -> nbformat.NotebookNode:
    """Execute a chapter, and return it stamped and free of what changes from run to run.

    Args:
        name: the chapter.
        given: parameters other than their defaults.
        ledger: where trials are looked up, and recorded should the chapter train any.

    Raises:
        InputError: an unknown chapter or parameter, a cell that failed, or one that wrote to stderr.
    """
    checked = parameters.check(name, given)
    start = time.perf_counter()
    variables = {
        "LABELNOISE_LEDGER": str(ledger.path),
        "LABELNOISE_FOLDER": os.environ.get("LABELNOISE_FOLDER", str(Path.cwd())),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # a kernel's debugger warns about frozen modules on stderr
    }
    with tempfile.TemporaryDirectory() as folder, _environment(variables):
        output = Path(folder) / f"{name}.ipynb"
        try:
            papermill.execute_notebook(
                project.source(name), output, checked, cwd=project.root(), progress_bar=False, config=KERNEL
            )
        except PapermillExecutionError as error:
            if error.ename in ("InputError", "SweepFailed"):
                raise InputError(error.evalue) from None
            raise InputError(
                f"Chapter {name} failed in cell {error.exec_count}: {error.ename}: {error.evalue}"
            ) from None
        notebook = nbformat.read(output, as_version=4)
    _refuse_noise(notebook, name)
    _without_volatile(notebook)
    seconds = time.perf_counter() - start
    ledger.refresh()
    records = [record for trial in _behind(name, checked) if (record := ledger.find(trial)) is not None]
    stamps.add(notebook, stamps.stamp(name, checked, source_hash(name), seconds, records))
    return notebook


def write(notebook: nbformat.NotebookNode, path: Path) -> bool:
    """Put an executed chapter in place whole, unless what lies there says the same.

    Returns:
        Whether the file changed; time, processor and seconds alone don't count.
    """
    if path.exists() and stamps.comparable(nbformat.read(path, as_version=4)) == stamps.comparable(notebook):
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    nbformat.write(notebook, beside)
    os.replace(beside, path)
    return True


def run(
    name: str,
    given: Mapping[str, Any],
    *,
    publish: bool = False,
    executor: Executor | None = None,
    workers: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Path:
    """Train the trials that a chapter misses and execute it, into ``runs/`` with a rendered page or into the book.

    Args:
        name: the chapter.
        given: parameters other than their defaults.
        publish: put it into the book, and its records among the published ones.
        executor, workers, progress: as `sweep.sweep` takes them.

    Returns:
        The rendered page under ``runs/``, or the notebook in the book.

    Raises:
        InputError: as `execute`, or a smoke run is to be published.
        SweepFailed: a trial failed.
    """
    if publish and given.get("profile") == "smoke":
        raise InputError("A smoke run is too small to publish; run the chapter with profile full.")
    trials = parameters.planned(name, given)
    ledger = project.ledger()
    if publish:
        ledger = project.published_ledger()
        own = project.ledger()
        for trial in missing(trials, ledger):
            if record := own.find(trial):
                ledger.append(record)
    sweep(trials, ledger, executor, workers=workers, progress=progress)
    notebook = execute(name, given, ledger)
    path = project.published_path(name) if publish else project.root() / "runs" / name / f"{name}.ipynb"
    write(notebook, path)
    stamps.write_data(notebook, path)
    if publish:
        (project.root() / "book" / "figures.md").write_text(stamps.figures_page(), encoding="utf-8")
    return path if publish else pages.render(path)
