"""Rendering one executed chapter to a page."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat

from labelnoise.book import project, stamps
from labelnoise.errors import InputError


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
        shutil.copytree(root / "notebooks", Path(folder) / "notebooks")
        for file in ("_config.yml", "_toc.yml", "CHANGELOG.md"):
            shutil.copy(root / file, folder)
        place = book / project.published_path(name).relative_to(root / "book")
        shutil.copy(path, place)
        stamps.write_data(nbformat.read(path, as_version=4), place)
        done = subprocess.run([str(command), "build", "-q", str(book)], capture_output=True, text=True, check=False)
        built = book / "_build" / "html"
        page = project.published_path(name).relative_to(root / "book").with_suffix(".html")
        if done.returncode or not (built / page).exists():
            plain = re.sub(r"\x1b\[[0-9;]*m", "", done.stderr)
            told = [line for line in plain.splitlines() if re.search(r"\w", line)] if done.returncode else []
            why = told[-1] if told else f"the book has no page {page}; is {name} in _toc.yml?"
            raise InputError(f"The page of {path} did not build: {why}")
        target = path.parent / "html"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(built, target)
    return target / page
