"""How many small errors in the science the tests notice, by a sample of mutants: see `tests/mutants.md`.

A mutant is a module with one thing changed. Its code takes the place of the module's in a process forked from one that
has the libraries loaded, so no file is touched. It is killed if a test fails or they take far longer than they should.
"""

import argparse
import ast
import gc
import math
import os
import random
import signal
import sys
from importlib import import_module
from importlib.machinery import SourceFileLoader
from pathlib import Path

import hypothesis
import pytest
import scipy.stats

ROOT = Path(__file__).parents[1]
ROOMS = {"transitions", "noise", "statistics", "losses", "estimators"}
DOCTESTS = "tests/test_library.py::test_the_examples_in_docstrings_show_what_comes_out[{}]"
DOOR = "tests/door/test_bad_input.py::test_a_bad_argument_is_refused_by_name"
LIMIT = 300  # seconds, of tests that take at most a third of that
COMPARED = {
    ast.Lt: [ast.LtE, ast.GtE], ast.LtE: [ast.Lt, ast.Gt], ast.Gt: [ast.GtE, ast.LtE], ast.GtE: [ast.Gt, ast.Lt],
    ast.Eq: [ast.NotEq], ast.NotEq: [ast.Eq], ast.Is: [ast.IsNot], ast.IsNot: [ast.Is], ast.In: [ast.NotIn],
    ast.NotIn: [ast.In],
}  # fmt: skip
REPLACED = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
    ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip
EXCHANGED = [("min", "max"), ("any", "all"), ("minimum", "maximum"), ("argmin", "argmax"), ("floor", "ceil")]
NAMES = {a: b for pair in EXCHANGED for a, b in (pair, pair[::-1])}


def variants(node):
    """What may stand in the place of a node."""
    match node:
        case ast.Compare(left, ops, others):
            for k, op in enumerate(ops):
                yield from (ast.Compare(left, [*ops[:k], new(), *ops[k + 1 :]], others) for new in COMPARED[type(op)])
        case ast.BinOp(left, ast.MatMult() as op, right):
            yield ast.BinOp(right, op, left)
        case ast.BinOp(left, op, right) if type(op) in REPLACED:
            yield ast.BinOp(left, REPLACED[type(op)](), right)
        case ast.AugAssign(target, op, value):
            yield from (ast.Pass(), ast.AugAssign(target, REPLACED[type(op)](), value))
        case ast.BoolOp(op, values):
            yield ast.BoolOp(REPLACED[type(op)](), values)
        case ast.UnaryOp(_, operand):
            yield operand
        case ast.Constant(bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(int() | float() as value):
            yield from (ast.Constant(value + 1), ast.Constant(value - 1))
        case ast.If(test, body, orelse) | ast.IfExp(test, body, orelse):
            yield type(node)(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.Attribute(value, "T"):
            yield value
        case ast.Attribute(value, name, context) if name in NAMES:
            yield ast.Attribute(value, NAMES[name], context)
        case ast.Name(name, context) if name in NAMES:
            yield ast.Name(NAMES[name], context)
        case ast.Expr(ast.Call()) | ast.Raise() | ast.Break() | ast.Assign([ast.Subscript()]):
            yield ast.Pass()


def mutations(parent):
    """Each mutation below a node: where it is set, the new node, its line, and what it does."""
    for field, value in ast.iter_fields(parent):
        for k, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
            silent = isinstance(node, ast.JoinedStr | ast.Import | ast.ImportFrom)
            if field in ("annotation", "returns", "decorator_list") or silent or not isinstance(node, ast.AST):
                continue
            for new in variants(node):
                said = " → ".join(ast.unparse(ast.fix_missing_locations(each)).split("\n")[0] for each in (node, new))
                yield (parent, field, k), new, getattr(node, "lineno", 0), said
            if not isinstance(node, ast.Raise):
                yield from mutations(node)


def passes(tests, path, number):
    """Whether the tests pass, in a process of their own, with this mutation of the module, or with none if it is -1."""
    if not (child := os.fork()):
        signal.alarm(LIMIT)
        tree = ast.parse(path.read_text())
        if number >= 0:
            (parent, field, k), new, *_ = list(mutations(tree))[number]
            setattr(parent, field, new) if k is None else getattr(parent, field).__setitem__(k, new)
        code, plain = compile(ast.fix_missing_locations(tree), path, "exec"), SourceFileLoader.get_code
        SourceFileLoader.get_code = lambda self, name: code if self.path == str(path) else plain(self, name)
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        os._exit(pytest.main(["-x", "--assert=plain", "--noconftest", "-p", "no:cacheprovider", *tests]))
    return os.waitpid(child, 0)[1] == 0


def stages(path):
    """The tests of a module, then those of its room, which run where the first notice nothing."""
    folder = "" if path.parent.name == "labelnoise" else f"{path.parent.name}/"
    own = f"tests/{folder}test_{path.stem.removeprefix('_')}.py"
    room = [f"tests/{folder}"] if folder else []
    return [[own]] * (ROOT / own).exists() + [[*room, DOCTESTS.format(path.parent.name if folder else path.stem), DOOR]]


def drawn(share, seed):
    """A share of the mutations of each module, in random order: path, number, line and what it does."""
    found = []
    for path in sorted((ROOT / "src/labelnoise").rglob("*.py")):
        if {path.stem, path.parent.name} & ROOMS:
            known = [(path, k, *said) for k, (_, _, *said) in enumerate(mutations(ast.parse(path.read_text())))]
            found += random.Random(f"{seed} {path.name}").sample(known, math.ceil(share * len(known)))
    return random.Random(seed).sample(found, len(found))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=0.14, help="of the mutations of each module (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the sample (%(default)s)")
    parser.add_argument("only", nargs="*", help="of the sample those in a line, as module.py:LINE, or in a module")
    asked, tally = parser.parse_args(), {}
    os.chdir(ROOT)
    for name in ("cleanlab.experimental.coteaching", "lio.losses.classification", "torchvision.transforms.v2"):
        import_module(name)  # once, and not for each mutant
    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)  # a failure need not be made small
    hypothesis.settings.register_profile("mutants", derandomize=True, database=None, phases=phases)
    hypothesis.settings.load_profile("mutants")
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    gc.freeze()  # what is loaded by now is no garbage
    for path, number, line, said in drawn(asked.share, asked.seed):
        if not asked.only or {path.name, f"{path.name}:{line}"} & {*asked.only}:
            if path.name not in tally and not passes(stages(path)[0], path, -1):
                sys.exit(f"The tests of {path.name} fail without any mutation; mend that first.")
            killed = not all(passes(tests, path, number) for tests in stages(path))
            tally.setdefault(path.name, []).append(killed)
            print("killed" if killed else "survives", f"{path.name}:{line}", said, sep="\t", flush=True)
    for name, each in sorted(tally.items()):
        print(name, f"{sum(each)}/{len(each)}", sep="\t")
    k, n = sum(map(sum, tally.values())), sum(map(len, tally.values()))
    low, high = scipy.stats.binomtest(k, n).proportion_ci()
    print(f"{k} of {n} mutants are killed, {k / n:.3f} ({low:.3f} to {high:.3f}).")


if __name__ == "__main__":
    main()
