"""What a page says of how it and its figures were made, and the data that lie beside it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import nbformat

import labelnoise
from labelnoise._files import write_whole
from labelnoise.book import parameters, project
from labelnoise.trials import provenance

VOLATILE = ("processor", "python", "seconds", "date")
CSV = "text/csv"
FIGURES_PAGE = """# Figures

Every figure of the book, by chapter, with the data that it draws: comma-separated text, a row per seed where a figure
draws seeds or their means from a table, else a row per thing drawn. Numbers have six significant digits. Below each
figure stands what its chapter was made from.
"""


Read = tuple[str, str, float, str]  # a record that a page reads: key, hash of the weights, seconds and date


def source_hash(name: str) -> str:
    """The hash of the cells of a chapter's notebook under ``notebooks/``."""
    digest = hashlib.sha256()
    for cell in nbformat.read(project.notebook_path(name), as_version=4).cells:
        digest.update(f"{cell.cell_type}\n{json.dumps(cell.metadata, sort_keys=True)}\n{cell.source}\n".encode())
    return digest.hexdigest()


def stamp(name: str, changed: Mapping[str, Any], seconds: float, records: Collection[Read]) -> dict[str, Any]:
    """What a page is made from. That a `VOLATILE` entry changes does not make the page a new one.

    That the code still draws this page is not told by a hash of the code, but by executing it again and comparing.

    Args:
        name: the chapter.
        changed: parameters other than their defaults.
        seconds: that it took to execute.
        records: that it read.
    """
    defaults = parameters.defaults(name)
    values = defaults | dict(changed)
    keys = sorted(f"{key} {weights}" for key, weights, _, _ in records)
    return {
        "chapter": name,
        "parameters": values,
        "own_run": values != defaults,
        "profile": values.get("profile", "full"),
        "source_sha256": source_hash(name),
        "records_sha256": hashlib.sha256("\n".join(keys).encode()).hexdigest(),
        "labelnoise": labelnoise.__version__,
        "torch": version("torch"),
        "trials": len(records),
        "core_seconds": round(math.fsum(seconds for _, _, seconds, _ in records)),  # a sum in any order
        "recorded": max((date for *_, date in records), default=""),
        **{key: value for key, value in provenance.here().items() if key in ("processor", "python", "date")},
        "seconds": round(seconds, 1),
    }


def add(notebook: nbformat.NotebookNode, stamp: Mapping[str, Any]) -> None:
    """Put the stamp into an executed notebook: for programs, at its end, below figures and on an own run's top."""
    notebook.metadata["labelnoise"] = dict(stamp)
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        if figure := _figure(cell):
            chosen = {} if stamp["own_run"] else cell.metadata.get("explore", {})
            cells.append(_line_cell(stamp, figure["name"], _table(cell), chosen))
    notebook.cells = [*cells, _made_cell(stamp)]
    if stamp["own_run"]:
        notebook.cells.insert(1, _own_run_cell(stamp))


def comparable(notebook: nbformat.NotebookNode) -> str:
    """The notebook as text, without what may differ between two that say the same."""
    copy = nbformat.from_dict(json.loads(json.dumps(notebook)))
    for key in VOLATILE:
        copy.metadata.get("labelnoise", {}).pop(key, None)
    copy.cells = [cell for cell in copy.cells if not made_here(cell)]
    return json.dumps(copy, sort_keys=True)


def made_here(cell: nbformat.NotebookNode) -> bool:
    """Whether a cell was added to those of the source, to say how the page or the figure above it was made."""
    return str(cell.get("id", "")).endswith("-made")


def write_data(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Write what each figure draws to where the notebook, if it lay at this path, links to it."""
    for cell in notebook.cells:
        if (figure := _figure(cell)) and (table := _table(cell)):
            file = path.parent / _data_link(path.stem, figure["name"])
            write_whole(file, table.encode())


def figures_page() -> str:
    """The page that lists all figures of the published chapters, as Markdown."""
    blocks = [FIGURES_PAGE]
    for name in project.as_listed():
        path = project.published_path(name)
        cells = nbformat.read(path, as_version=4).cells if path.exists() else []
        entries = []
        for cell in cells:
            if figure := _figure(cell):
                link = f" [Data](_static/data/{name}/{figure['name']}.csv)" if _table(cell) else ""
                entries.append(f"- {{numref}}`Figure {{number}}. {{name}} <{figure['name']}>`{link}")
        if entries:
            document = path.relative_to(project.root() / "book").with_suffix("").as_posix()
            blocks += [f"**{{doc}}`{document}`**\n", "\n".join(entries) + "\n"]
    return "\n".join(blocks)


def _figure(cell: nbformat.NotebookNode) -> dict[str, str]:
    """What a cell says of its figure; nothing of one that only readers without JavaScript see."""
    found: dict[str, str] = cell.metadata.get("mystnb", {}).get("figure", {})
    return {} if "without-script" in cell.metadata.get("tags", ()) else found


def _table(cell: nbformat.NotebookNode) -> str:
    return next((str(output.data[CSV]) for output in cell.outputs if CSV in output.get("data", {})), "")


def _up(name: str) -> str:
    return "" if name == project.FRONT_PAGE else "../"


def _data_link(name: str, figure: str) -> str:
    return f"{_up(name)}_static/data/{name}/{figure}.csv"


def _line_cell(stamp: Mapping[str, Any], figure: str, table: str, chosen: Mapping[str, str]) -> nbformat.NotebookNode:
    name = stamp["chapter"]
    parts = [f"{{download}}`notebooks/{name}.ipynb <{_up(name)}../notebooks/{name}.ipynb>`"]
    if table:
        kind = "per seed" if "seed" in table.partition("\n")[0].split(",") else "as drawn"
        parts.insert(0, f"[Data, {kind}]({_data_link(name, figure)})")
    if chosen:  # what a figure's cell names under ``explore``, as the page to explore has it in its address
        page = "chapters/explore.html" if name == project.FRONT_PAGE else "explore.html"
        parts.insert(0, f'<a href="{page}#{urlencode(chosen)}">Explore</a>')
    if stamp["trials"]:
        hours = f"{stamp['core_seconds'] / 3600:,.1f} core-hours"
        parts.append(f"this page reads {stamp['trials']:,} records of {hours}, the last of {stamp['recorded']}")
    parts.append(
        f"executed {stamp['date']} in {stamp['seconds']:g} seconds with [these parameters](#how-this-page-was-made)"
    )
    return nbformat.v4.new_markdown_cell(
        f":::{{container}} figure-line\n{' · '.join(parts)}\n:::", id=f"{figure[:58]}-made"
    )


def _made_cell(stamp: Mapping[str, Any]) -> nbformat.NotebookNode:
    shown = ", ".join(f"`{key} = {value!r}`" for key, value in stamp["parameters"].items()) or "none"
    keys = f"{stamp['trials']:,}, sha256 of their keys and weights `{stamp['records_sha256'][:16]}`"
    text = f"""## How this page was made

| | |
| --- | --- |
| source | `notebooks/{stamp["chapter"]}.ipynb`, sha256 `{stamp["source_sha256"][:16]}` |
| records | {keys if stamp["trials"] else "none"} |
| parameters | {shown} |
| profile | {stamp["profile"]} |
| versions | labelnoise {stamp["labelnoise"]}, torch {stamp["torch"]}, Python {stamp["python"]} |
| processor | {stamp["processor"]} |
| executed | {stamp["date"]}, in {stamp["seconds"]:g} seconds, not counting trials that were on record |
"""
    return nbformat.v4.new_markdown_cell(text, id="how-this-page-was-made")


def _own_run_cell(stamp: Mapping[str, Any]) -> nbformat.NotebookNode:
    defaults = parameters.defaults(stamp["chapter"])
    changed = {key: value for key, value in stamp["parameters"].items() if value != defaults[key]}
    chapter = project.published_path(stamp["chapter"])
    # From the page of an own run, runs/NAME/html/chapters/NAME.html, which lies beside book/ and moves with it.
    page = f"../../../../book/_build/html/chapters/{chapter.stem}.html"
    text = (
        ":::{warning}\n**Your own run, not the published chapter.** It was executed with "
        + ", ".join(f"`{key} = {value!r}`" for key, value in changed.items())
        + f'. Beside it stands <a href="{page}">the published chapter</a>, once `make book` has built it from '
        + f"`{chapter.relative_to(project.root())}`.\n:::"
    )
    return nbformat.v4.new_markdown_cell(text, id="own-run")
