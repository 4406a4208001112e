"""Plants small errors into the science, one at a time, and counts how many of them its tests notice.

python benchmarks/mutants.py 200 --seed 0   # many minutes; prints the survivors and the share that was noticed
"""

from __future__ import annotations

import argparse
import ast
import collections
import copy
import os
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import numpy  # noqa: F401 - here, so that each mutant finds it loaded
import pytest
import scipy.stats
import torch

ROOT = Path(__file__).parents[1]
GROUND = ("transitions", "noise", "statistics")
WINGS = ("estimators", "losses")
LIMIT = 90  # seconds of the processor for the tests of a mutant, which stops loops without end
COMPARED = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq}
COMPUTED = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult}


def sources() -> list[Path]:
    """The modules of the science."""
    package = ROOT / "src/labelnoise"
    inner = [path for wing in WINGS for path in sorted((package / wing).glob("*.py")) if path.name != "__init__.py"]
    return [*(package / f"{name}.py" for name in GROUND), *inner]


def changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """What stands in place of a node in a mutant, with the name of the change."""
    new = copy.deepcopy(node)
    if isinstance(new, ast.Compare) and type(new.ops[0]) in COMPARED:
        new.ops[0] = COMPARED[type(new.ops[0])]()
        yield "comparison", new
    elif isinstance(new, ast.BinOp) and type(new.op) in COMPUTED:
        new.op = COMPUTED[type(new.op)]()
        yield "arithmetic", new
    elif isinstance(new, ast.Constant) and type(new.value) in (int, float):
        for step in (1, -1):
            yield "constant", ast.Constant(new.value + step)
    elif isinstance(new, ast.UnaryOp) and isinstance(new.op, ast.Not):
        yield "dropped not", new.operand
    elif isinstance(new, ast.Return) and isinstance(new.value, ast.Call | ast.BinOp | ast.Name):
        new.value = ast.UnaryOp(ast.USub(), new.value)
        yield "negated return", new
    elif isinstance(new, ast.AugAssign) or (isinstance(new, ast.If) and not new.orelse):
        yield "dropped statement", ast.Pass()
    elif isinstance(new, ast.Expr) and isinstance(new.value, ast.Call):
        yield "dropped statement", ast.Pass()


class Replace(ast.NodeTransformer):
    def __init__(self, place: int, new: ast.AST) -> None:
        self.place, self.new, self.count = place, new, -1

    def visit(self, node: ast.AST) -> ast.AST:
        self.count += 1
        return self.new if self.count == self.place else self.generic_visit(node)


def nodes(tree: ast.AST) -> list[ast.AST]:
    """The nodes of a tree in the order in which `Replace` counts them."""
    return [tree, *(inner for child in ast.iter_child_nodes(tree) for inner in nodes(child))]


def mutants(path: Path) -> Iterator[tuple[Path, int, str, ast.AST]]:
    """Each mutant of a module: its path, the place of a node, the name of the change and what stands there instead."""
    for place, node in enumerate(nodes(ast.parse(path.read_text()))):
        for kind, new in changes(node):
            if not isinstance(node, ast.If) or ast.unparse(node.test) != "TYPE_CHECKING":
                yield path, place, kind, new


def written(path: Path, place: int, new: ast.AST) -> tuple[str, str]:
    """What was changed where, and the text of the changed module."""
    tree = ast.parse(path.read_text())
    old = nodes(tree)[place]
    told = f"{path.stem}:{getattr(old, 'lineno', 0)} {ast.unparse(old).splitlines()[0]} -> "
    told += ast.unparse(new).splitlines()[0]
    return told, ast.unparse(ast.fix_missing_locations(Replace(place, new).visit(tree)))


def tests_of(path: Path) -> list[str]:
    """The test files of a module, those that bear its name first."""
    if path.stem in GROUND:
        return [str(ROOT / f"tests/test_{path.stem}.py")]
    files = (ROOT / "tests" / path.parent.name).glob("test_*.py")
    return [str(each) for each in sorted(files, key=lambda each: (path.stem.strip("_") not in each.stem, each.name))]


def outcome(source: Path, path: Path, text: str) -> str:
    """What the tests say of a changed module, in a process of its own."""
    target = source / path.relative_to(ROOT / "src")
    target.write_text(text)
    child = os.fork()
    if not child:
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (LIMIT, LIMIT + 5))
            log = os.open(source.parent / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(log, 1)
            os.dup2(log, 2)
            sys.path[:0] = [str(source), str(ROOT / "tests" / path.parent.name)]
            arguments = ["-xq", "--noconftest", "-p", "no:xdist", "-p", "no:cacheprovider"]
            os._exit(int(pytest.main([*tests_of(path), *arguments])))
        except BaseException:
            traceback.print_exc()
            os._exit(70)
    _, status = os.waitpid(child, 0)
    shutil.copyfile(path, target)
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, 1, 2) and code >= 0:  # neither passed, failed nor stopped at an import
        raise SystemExit((source.parent / "log").read_text())
    return "survived" if not code else "noticed" if code > 0 else "stopped"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("n", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="modules or wings")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no other mutant after so many")
    options = parser.parse_args()
    sys.dont_write_bytecode = True
    hypothesis.settings.register_profile("mutants", database=None, derandomize=True, max_examples=25)
    hypothesis.settings.load_profile("mutants")
    torch.set_num_threads(1)
    chosen = [path for path in sources() if not options.only or {path.stem, path.parent.name} & set(options.only)]
    every = [each for path in chosen for each in mutants(path)]
    drawn = random.Random(options.seed).sample(every, min(options.n, len(every)))
    begun, found = time.monotonic(), collections.Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "src"
        shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
        for path, place, kind, new in drawn:
            if time.monotonic() - begun > options.seconds:
                break
            told, text = written(path, place, new)
            said = outcome(source, path, text)
            found[said] += 1
            print(f"{said:8} {kind}: {told}", flush=True)
    killed, tried = found["noticed"] + found["stopped"], found.total()
    low, high = scipy.stats.binomtest(killed, tried).proportion_ci(method="wilson")
    print(f"{killed} of {tried} noticed ({found['stopped']} by their time), drawn from {len(every)}: ", end="")
    print(f"{killed / tried:.1%} ({low:.1%} to {high:.1%})")


if __name__ == "__main__":
    main()
