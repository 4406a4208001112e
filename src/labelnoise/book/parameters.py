"""A chapter's parameters, and the trials it asks for with them.

Both stand in its notebook: parameters in the cell tagged ``parameters``, a typed and commented value on each line, and
the trials in the cell tagged ``trials``, which makes a `plans.Plan` of them, called ``plan``.
"""

from __future__ import annotations

import ast
import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from labelnoise._checks import check_whole
from labelnoise.book.plan import Plan, merged
from labelnoise.book.project import as_listed, every, notebook_names, notebook_path, recorded, tries
from labelnoise.errors import InputError
from labelnoise.trials import Record, Trial

OWN_SEEDS = 3  # of a reader's own run, unless told otherwise
LEAST_VALUES = {"first_seeds": 1, "seed": 0, "threads": 1}  # of what no trial checks
# Names that parameters had before chapters had one question each, and what they are now.
RENAMED = {
    "arms": "methods", "rate_arms": "methods", "ten_arms": "methods of ten_classes", "rate_noises": "noises",
    "ten_noises": "noises of ten_classes", "draws": "seeds", "rate_seeds": "seeds", "sgd_seeds": "seeds of sgd",
    "long_seeds": "seeds of long_training", "ablation_seeds": "seeds of modern_training",
    "distorted_seeds": "seeds of wrong_t", "close_seeds": "seeds of 03_correction", "traced_seeds":
    "seeds of precision_depends", "gentle_seeds": "seeds of alexnet", "unseen_noises": "noises",
    "unseen_seeds": "seeds",
}  # fmt: skip


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
        (item,) = get_args(self.kind) or (self.kind,)
        several = item is not self.kind
        values = value if isinstance(value, list | tuple) else [value]
        allowed = (int, float) if item is float else item
        fit = (isinstance(one, allowed) and isinstance(one, bool) == (item is bool) for one in values)
        if several != isinstance(value, list | tuple) or not all(fit):
            raise InputError(
                f"Parameter {self.name} must be {self.kind if several else item.__name__}, such as {self.default!r}, "
                f"not {value!r} ({type(value).__name__})." + (f" It means: {self.comment}." if self.comment else "")
            )
        return [item(one) for one in values] if several else item(value)


TYPES: dict[str, Any] = {
    "int": int, "float": float, "str": str, "bool": bool,
    "list[int]": list[int], "list[float]": list[float], "list[str]": list[str],
}  # fmt: skip


def _cell(name: str, tag: str) -> str:
    """The source of the chapter's cell that has a tag, or an empty text if none has."""
    cells = json.loads(notebook_path(name).read_bytes())["cells"]
    return next(("".join(cell["source"]) for cell in cells if tag in cell["metadata"].get("tags", [])), "")


def declared(name: str) -> dict[str, Parameter]:
    """The parameters of a chapter, read from its cell tagged ``parameters``."""
    text = _cell(name, "parameters")
    lines, found = text.splitlines(), {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            comment = lines[node.lineno - 1].partition("#")[2].strip()
            kind = TYPES[ast.unparse(node.annotation)]
            found[node.target.id] = Parameter(node.target.id, kind, ast.literal_eval(node.value), comment)
    return found


def defaults(name: str) -> dict[str, Any]:
    """What the parameters of a chapter are unless told otherwise: those of the published book."""
    return {key: parameter.default for key, parameter in declared(name).items()}


def check(name: str, changed: Mapping[str, Any]) -> dict[str, Any]:
    """The given parameters in the types the chapter declares, and fewer seeds with them unless told otherwise.

    Raises:
        InputError: an unknown name, or one of another chapter; a value of another type; noises and rates of noise
            together.
    """
    known = declared(name)
    for key in changed:
        if key not in known:
            others = [other for other in notebook_names() if key in declared(other)]
            moved = f" It is one of {' and '.join(others)}." if others else ""
            moved = f" It is now {RENAMED[key]}." if key in RENAMED else moved
            raise InputError(
                f"Chapter {name} has no parameter {key!r}; use one of: {', '.join(known) or 'none'}.{moved}"
            )
    checked = {key: known[key].check(value) for key, value in changed.items()}
    for key in LEAST_VALUES.keys() & checked.keys():
        check_whole(checked[key], f"Parameter {key}", LEAST_VALUES[key])
    if checked.get("noises") and checked.get("noise_rates"):
        raise InputError(
            f"Pass noises or noise_rates, not both: {checked['noises']} and {checked['noise_rates']} are two answers."
        )
    few = min(OWN_SEEDS, known["seeds"].default) if "seeds" in known else 0
    return checked | ({"seeds": few} if few and checked and "seeds" not in checked else {})


def planned(name: str, changed: Mapping[str, Any] | None = None) -> Plan:
    """What a chapter asks for with these parameters, the others at their defaults; nothing is trained.

    Raises:
        InputError: an unknown parameter, or a value that no trial can have.
    """
    return _executed(name, check(name, changed)) if changed else _by_default(name, notebook_path(name).read_bytes())


@functools.cache  # a plan asks for trials of others, which ask for those of others
def _by_default(name: str, _: bytes) -> Plan:
    return _executed(name, {})


def _executed(name: str, changed: dict[str, Any]) -> Plan:
    values = defaults(name) | changed
    exec(compile(_cell(name, "trials"), f"the trials of {name}", "exec"), values)
    found: Plan = values.get("plan", Plan())
    return found


def groups(*names: str) -> list[Trial]:
    """The trials of groups of other chapters, with their defaults, each named ``CHAPTER: GROUP``."""
    pairs = (name.split(": ") for name in names)
    return [asked for chapter, group in pairs for asked in planned(chapter).groups[group]]


def planned_by_all() -> list[Trial]:
    """The trials of the book: those that its chapters ask for with their defaults, each once."""
    return merged(planned(name) for name in notebook_names())


def spent() -> dict[str, list[Record]]:
    """Each chapter's records with its default parameters: those it shows, and those by which it tells settings chosen.

    Trials that are not on record are left out.
    """
    plans = {name: planned(name).trials for name in as_listed() if _cell(name, "trials")}
    known = {record.trial: record for record in recorded(planned_by_all())}
    records = {name: [known[trial] for trial in trials if trial in known] for name, trials in plans.items()}
    return records | {"07_tuning": tries(), "alexnet": records["alexnet"] + every("rates")}
