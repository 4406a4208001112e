"""Code of a user's own by its name, ``module:name``, imported from the folder where the command was called.

What is recorded bears a hash of its source, ``module:name@1a2b3c4d``, so that code that has changed is another.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import importlib
import importlib.util
import os
import pkgutil
import re
import sys
from pathlib import Path
from typing import Any

from labelnoise.errors import InputError

_FORM = re.compile(r"[^\W\d][\w.]*:[^\W\d][\w.]*(@[0-9a-f]{8})?")
_imported: dict[str, Any] = {}  # name with hash to what it stands for
_loaded: dict[str, str] = {}  # module to the hash of what was imported last


class SourceGone(InputError):
    """What bears a hash is not to be had any more: its source has another one, or is not there."""


def is_own(name: str | None) -> bool:
    """Whether a name stands for a user's own code, which it does if it has a colon: no name of the book has one."""
    return isinstance(name, str) and ":" in name


def without_hash(name: str) -> str:
    """The name as its author writes it."""
    return name.partition("@")[0] if is_own(name) else name


def reason(error: BaseException) -> str:
    """What own code raised, as the end of a sentence."""
    text = ""
    with contextlib.suppress(Exception):  # of theirs that can't even say what it is
        text = str(error)
    first = next(iter(text.splitlines()), "").rstrip(".")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def folder() -> Path:
    """Where own code is looked for: ``$LABELNOISE_FOLDER``, as a chapter's kernel has it, or the current folder."""
    return Path(os.environ.get("LABELNOISE_FOLDER") or Path.cwd())


def pinned(name: str, what: str) -> str:
    """The name with the hash of the source as it is now; one that has a hash keeps it.

    The hash is of the module's file, and of the files of the folder that it imports, directly or not.

    Args:
        name: ``module:name``.
        what: how messages call it, such as "estimator".

    Raises:
        InputError: as `imported`.
    """
    if "@" in name:
        return name
    return f"{name}@{_import(name, what)}"


def imported(name: str, what: str) -> Any:
    """What a name stands for, imported once for each hash of its source.

    Raises:
        InputError: not of the form ``module:name``, or not to be imported; the message names the folder looked in.
        SourceGone: the name has a hash, and the source has another or is not there.
    """
    key = pinned(name, what)
    if key not in _imported:
        plain, _, digest = key.partition("@")
        try:
            found = _import(plain, what)
        except InputError as error:
            raise SourceGone(str(error)) from error
        if found != digest:
            raise SourceGone(f"The source of the {what} {plain} has changed meanwhile; run the same command again.")
    return _imported[key]


def _import(name: str, what: str) -> str:
    """Import what a name without a hash stands for, unless that is done, and return the hash of its source."""
    if not _FORM.fullmatch(name):
        raise InputError(f"An own {what} is named module:name, such as my_module:my_{what}, not {name!r}.")
    module, here = name.partition(":")[0], folder()
    try:
        local = _files(module, here)
        digest = _digest(local or _installed(module))
        if f"{name}@{digest}" not in _imported:
            if _loaded.get(module) != digest:
                for each in local:
                    sys.modules.pop(each, None)  # it may be of an older source, or of another folder
            _imported[f"{name}@{digest}"] = _resolved(name, here)
            _loaded[module] = digest
    except (Exception, SystemExit) as error:  # whatever their code raises, a script's own end among it
        because = f"{reason(error)}; it was looked for in {here}"
        raise InputError(f"The {what} {name} can't be imported: {because}.") from error
    return digest


def _resolved(name: str, here: Path) -> Any:
    importlib.invalidate_caches()
    sys.path.insert(0, str(here))  # as python itself has it
    try:
        return pkgutil.resolve_name(name)
    finally:
        sys.path.remove(str(here))


def _digest(files: dict[str, Path]) -> str:
    found = hashlib.sha256()
    for name, path in sorted(files.items()):
        content = path.read_bytes()
        found.update(f"{name} {len(content)}\n".encode() + content)
    return found.hexdigest()[:8]


def _installed(module: str) -> dict[str, Path]:
    """A module that does not lie in the folder, with its file, if it has one."""
    spec = importlib.util.find_spec(module)
    return {module: Path(spec.origin)} if spec and spec.origin and Path(spec.origin).is_file() else {}


def _files(module: str, here: Path) -> dict[str, Path]:
    """A module and those that it imports, directly or not, each with its file, as far as they lie in a folder."""
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        parent, _, _ = name.rpartition(".")
        base = here.joinpath(*name.split("."))
        path = next((p for p in (base / "__init__.py", base.with_name(f"{base.name}.py")) if p.is_file()), None)
        if path is None or name in found or name.partition(".")[0] == "labelnoise":
            continue
        found[name] = path
        package = name if path.name == "__init__.py" else parent
        waiting += [parent] if parent else []
        stat = path.stat()
        waiting += _imports(path, package, stat.st_mtime_ns, stat.st_size)
    return found


@functools.cache
def _imports(path: Path, package: str, changed: int, size: int) -> list[str]:
    """The names of what a file may import, read once for each time that it `changed`."""
    found = []
    for node in ast.walk(ast.parse(path.read_bytes(), path.name)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            stem = node.module or ""
            if node.level:
                stem = importlib.util.resolve_name("." * node.level + stem, package)
            found += [stem, *(f"{stem}.{alias.name}" for alias in node.names if alias.name != "*")]
    return found
