"""Running a chapter: check its parameters, execute it with papermill, stamp it, put it in place."""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args, get_origin

import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

import labelnoise
from labelnoise import project, provenance, sweep
from labelnoise.errors import InputError
from labelnoise.ledger import Ledger
from labelnoise.plans import PLANS
from labelnoise.trials import Trial

FRONT_PAGE = "index"
# The modules a chapter's output can't depend on.
OUTSIDE_THE_SCIENCE = {"chapters.py", "cli.py"}
# Sockets in the file system: a kernel over TCP warns on the terminal that anyone here may listen.
KERNEL = Config({"KernelManager": {"transport": "ipc"}})
VOLATILE_STAMPS = ("processor", "python", "seconds", "date")


def sources() -> dict[str, Path]:
    """Every chapter's name and source notebook, in the order of the book."""
    paths = sorted((project.root() / "notebooks").glob("*.ipynb"))
    return {path.stem: path for path in paths}


def source(name: str) -> Path:
    """The source notebook of a chapter.

    Raises:
        InputError: there is no such chapter.
    """
    known = sources()
    if name not in known:
        raise InputError(f"There is no chapter {name!r}; use one of: {', '.join(known)}.")
    return known[name]


def published_path(name: str) -> Path:
    """Where a chapter lies in the book."""
    folder = project.root() / "book"
    return folder / f"{name}.ipynb" if name == FRONT_PAGE else folder / "chapters" / f"{name}.ipynb"


def source_hash(name: str) -> str:
    """Of the notebook's source and of the modules it may use: what a published page must stem from."""
    notebook = nbformat.read(source(name), as_version=4)
    digest = hashlib.sha256()
    for cell in notebook.cells:
        digest.update(f"{cell.cell_type}\n{json.dumps(cell.metadata, sort_keys=True)}\n{cell.source}\n".encode())
    for module in sorted(Path(labelnoise.__file__).parent.glob("*.py")):
        if module.name not in OUTSIDE_THE_SCIENCE:
            digest.update(module.name.encode() + module.read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Parameter:
    """One line of a chapter's parameters cell: ``name: type = default  # comment``."""

    name: str
    kind: Any  # int, float, str, bool or list of one of them
    default: Any
    comment: str

    def check(self, value: Any) -> Any:
        """The value in the parameter's type.

        Raises:
            InputError: it is of another type.
        """
        if get_origin(self.kind) is list:
            (item,) = get_args(self.kind)
            if isinstance(value, list | tuple):
                return [self._convert(item, v, value) for v in value]
            self._refuse(value)
        return self._convert(self.kind, value, value)

    def _convert(self, kind: type, value: Any, given: Any) -> Any:
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self._refuse(given)
        return value

    def _refuse(self, value: Any) -> None:
        kind = self.kind if isinstance(self.kind, types.GenericAlias) else self.kind.__name__
        raise InputError(
            f"Parameter {self.name} must be {kind}, such as {self.default!r}, not {value!r} "
            f"({type(value).__name__}). {self.comment}".strip()
        )


KINDS: dict[str, Any] = {
    "int": int, "float": float, "str": str, "bool": bool,
    "list[int]": list[int], "list[float]": list[float], "list[str]": list[str],
}  # fmt: skip


def parameters(name: str) -> dict[str, Parameter]:
    """The parameters of a chapter, read from its cell tagged ``parameters``."""
    notebook = nbformat.read(source(name), as_version=4)
    cells = [c.source for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    found = {}
    for text in cells:
        lines = text.splitlines()
        for node in ast.parse(text).body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
                comment = lines[node.lineno - 1].partition("#")[2].strip()
                kind = KINDS[ast.unparse(node.annotation)]
                found[node.target.id] = Parameter(node.target.id, kind, ast.literal_eval(node.value), comment)
    return found


def check_parameters(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The given parameters in the types the chapter declares.

    Raises:
        InputError: an unknown name or a value of another type.
    """
    known = parameters(name)
    for key in given:
        if key not in known:
            raise InputError(f"Chapter {name} has no parameter {key!r}; use one of: {', '.join(known) or 'none'}.")
    return {key: known[key].check(value) for key, value in given.items()}


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


def _stamp(name: str, given: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    values = {key: parameter.default for key, parameter in parameters(name).items()} | dict(given)
    return {
        "chapter": name,
        "parameters": values,
        "own_run": values != {key: parameter.default for key, parameter in parameters(name).items()},
        "profile": values.get("profile", "full"),
        "source_sha256": source_hash(name),
        "labelnoise": labelnoise.__version__,
        "torch": version("torch"),
        **{key: value for key, value in provenance.here().items() if key in ("processor", "python", "date")},
        "seconds": round(seconds, 1),
    }


def _made_cell(stamp: Mapping[str, Any]) -> nbformat.NotebookNode:
    shown = ", ".join(f"`{key} = {value!r}`" for key, value in stamp["parameters"].items()) or "none"
    text = f"""## How this page was made

| | |
| --- | --- |
| source | `notebooks/{stamp["chapter"]}.ipynb`, with the science at sha256 `{stamp["source_sha256"][:16]}` |
| parameters | {shown} |
| profile | {stamp["profile"]} |
| versions | labelnoise {stamp["labelnoise"]}, torch {stamp["torch"]}, Python {stamp["python"]} |
| processor | {stamp["processor"]} |
| executed | {stamp["date"]}, in {stamp["seconds"]:g} seconds, not counting trials that were on record |
"""
    return nbformat.v4.new_markdown_cell(text, id="how-this-page-was-made")


def _own_run_cell(stamp: Mapping[str, Any]) -> nbformat.NotebookNode:
    defaults = {key: parameter.default for key, parameter in parameters(stamp["chapter"]).items()}
    changed = {key: value for key, value in stamp["parameters"].items() if value != defaults[key]}
    text = (
        ":::{warning}\n**Your own run, not the published chapter.** It was executed with "
        + ", ".join(f"`{key} = {value!r}`" for key, value in changed.items())
        + f". The published one is `{published_path(stamp['chapter']).relative_to(project.root())}`.\n:::"
    )
    return nbformat.v4.new_markdown_cell(text, id="own-run")


def planned(name: str, given: Mapping[str, Any] = types.MappingProxyType({})) -> list[Trial]:
    """The trials that a chapter asks for with these parameters, the others at their defaults, each once."""
    values = {key: parameter.default for key, parameter in parameters(name).items()} | check_parameters(name, given)
    asked = (
        trial
        for plan in PLANS.get(name, ())
        for trial in plan(**{key: values[key] for key in inspect.signature(plan).parameters if key in values})
    )
    return list(dict.fromkeys(asked))


def execute(name: str, given: Mapping[str, Any], ledger: Ledger) -> nbformat.NotebookNode:
    """Execute a chapter, and return it stamped and free of what changes from run to run.

    Args:
        name: the chapter.
        given: parameters other than their defaults.
        ledger: where trials are looked up, and recorded should the chapter train any.

    Raises:
        InputError: an unknown chapter or parameter, a cell that failed, or one that wrote to stderr.
    """
    checked = check_parameters(name, given)
    start = time.perf_counter()
    variables = {
        "LABELNOISE_LEDGER": str(ledger.path),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # a kernel's debugger warns about frozen modules on stderr
    }
    with tempfile.TemporaryDirectory() as folder, _environment(variables):
        output = Path(folder) / f"{name}.ipynb"
        try:
            papermill.execute_notebook(
                source(name), output, checked, cwd=project.root(), progress_bar=False, config=KERNEL
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
    stamp = _stamp(name, checked, time.perf_counter() - start)
    notebook.metadata["labelnoise"] = stamp
    notebook.cells.append(_made_cell(stamp))
    if stamp["own_run"]:
        notebook.cells.insert(1, _own_run_cell(stamp))
    return notebook


def _comparable(notebook: nbformat.NotebookNode) -> str:
    copy = nbformat.from_dict(json.loads(json.dumps(notebook)))
    for key in VOLATILE_STAMPS:
        copy.metadata.get("labelnoise", {}).pop(key, None)
    copy.cells = [cell for cell in copy.cells if cell.get("id") != "how-this-page-was-made"]
    return json.dumps(copy, sort_keys=True)


def write(notebook: nbformat.NotebookNode, path: Path) -> bool:
    """Put an executed chapter in place whole, unless what lies there says the same.

    Returns:
        Whether the file changed; time, processor and seconds alone don't count.
    """
    if path.exists() and _comparable(nbformat.read(path, as_version=4)) == _comparable(notebook):
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
    workers: int | None = None,
    progress: Callable[[sweep.Progress], None] | None = None,
) -> Path:
    """Train the trials that a chapter misses and execute it, into ``runs/`` with a rendered page or into the book.

    Args:
        name: the chapter.
        given: parameters other than their defaults.
        publish: put it into the book, and its records among the published ones.
        workers, progress: as `sweep.sweep` takes them.

    Returns:
        The rendered page under ``runs/``, or the notebook in the book.

    Raises:
        InputError: as `execute`, or a smoke run is to be published.
        SweepFailed: a trial failed.
    """
    if publish and given.get("profile") == "smoke":
        raise InputError("A smoke run is too small to publish; run the chapter with profile full.")
    trials = planned(name, given)
    ledger = project.ledger()
    if publish:
        ledger = project.published_ledger()
        own = project.ledger()
        for trial in sweep.missing(trials, ledger):
            if record := own.find(trial):
                ledger.append(record)
    sweep.sweep(trials, ledger, workers=workers, progress=progress)
    notebook = execute(name, given, ledger)
    path = published_path(name) if publish else project.root() / "runs" / name / f"{name}.ipynb"
    write(notebook, path)
    return path if publish else render(path)


def render(path: Path) -> Path:
    """Render one executed chapter to a page beside it: the whole book, with this chapter in its place.

    Raises:
        InputError: jupyter-book is not installed, or the page did not build; the message has the last warning.
    """
    root = project.root()
    name = path.stem
    command = Path(sys.executable).with_name("jupyter-book")
    if not command.exists():
        raise InputError("jupyter-book is not installed here; install labelnoise[book] to render pages.")
    with tempfile.TemporaryDirectory() as folder:
        book = Path(folder) / "book"
        shutil.copytree(root / "book", book, ignore=shutil.ignore_patterns("_build"))
        for file in ("_config.yml", "_toc.yml", "CHANGELOG.md"):
            shutil.copy(root / file, folder)
        shutil.copy(path, book / published_path(name).relative_to(root / "book"))
        done = subprocess.run([str(command), "build", "-q", str(book)], capture_output=True, text=True, check=False)
        built = book / "_build" / "html"
        page = published_path(name).relative_to(root / "book").with_suffix(".html")
        if done.returncode or not (built / page).exists():
            plain = re.sub(r"\x1b\[[0-9;]*m", "", done.stderr)
            told = [line for line in plain.splitlines() if re.search(r"\w", line)] if done.returncode else []
            why = told[-1] if told else f"the book has no page {page}; is {name} in _toc.yml?"
            raise InputError(f"The page of {path} did not build: {why}")
        target = path.parent / "html"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(built, target)
    return target / page
