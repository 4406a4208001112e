"""Learning from noisy labels: noise, transition matrices, corrected losses, recorded trials.

`__init__.pyi` lists the public names, for type checkers and for this module, which imports a name
when it is first asked for: torch takes seconds to import, and not everything needs it.
"""

import ast
import importlib
from pathlib import Path
from typing import Any

__version__ = "0.1.0"

_MODULES = {
    alias.name: line.module
    for line in ast.parse(Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8")).body
    if isinstance(line, ast.ImportFrom) and line.module
    for alias in line.names
}
__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
