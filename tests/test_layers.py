"""The modules in the order of the data flow: each imports only from those above it."""

import ast
from pathlib import Path

import labelnoise

ORDER = (
    "__init__", "errors", "transitions", "noise", "statistics", "votes", "sources", "cifar", "data", "archives", "fast",
    "models", "losses", "robust", "learned", "augmentation", "training", "inputs", "calibration", "likelihood", "graph",
    "gradients", "intervals", "alternation", "consensus", "columns", "selection", "estimators", "methods", "provenance",
    "trials", "preparation", "running", "ledger", "sweep", "tuning", "cluster", "rule", "tables", "rule_tables",
    "matrix_tables", "titles", "published", "prose", "matrix_prose", "rule_prose", "cost_prose", "drawn", "style",
    "figures", "matrix_figures", "matrix_plans", "plans", "explore", "project", "costs", "status", "cost_figures",
    "parameters", "stamps", "pages", "chapters", "replay", "tabular", "outputs", "report", "report_page",
    "estimate_command", "image_files", "own_training", "train_command", "cli",
)  # fmt: skip
FOLDER = Path(labelnoise.__file__).parent


def imported(module):
    """The modules of this package that a module imports."""
    found = set()
    for node in ast.walk(ast.parse((FOLDER / f"{module}.py").read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "labelnoise":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("labelnoise."):
            found.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {"__init__" for alias in node.names if alias.name == "labelnoise"}
    return found


def test_every_module_has_its_place():
    assert sorted(ORDER) == sorted(path.stem for path in FOLDER.glob("*.py"))


def test_a_module_imports_only_from_those_above_it():
    below = {(module, name) for k, module in enumerate(ORDER) for name in imported(module) if name not in ORDER[:k]}
    assert below == set()
