"""What the science may import, shown in a fresh interpreter."""

import pkgutil
import subprocess
import sys

import labelnoise.estimators

GROUND = [f"labelnoise.{name}" for name in ("errors", "transitions", "noise", "statistics")]
MODULES = [
    *GROUND,
    "labelnoise.estimators",
    *(each.name for each in pkgutil.iter_modules(labelnoise.estimators.__path__, "labelnoise.estimators.")),
]
BLOCKED = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "pandas", "matplotlib", "papermill", "pyarrow"}:
            raise ImportError(f"{name} can't be imported here")
sys.meta_path.insert(0, Block())
"""


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_ground_and_estimators_work_where_torch_and_the_tools_of_the_book_are_not_installed():
    code = (
        BLOCKED
        + f"""
import importlib
for name in {MODULES}:
    importlib.import_module(name)
import numpy as np
from labelnoise.estimators import ESTIMATORS, FEATURE_ESTIMATORS, confident_learning, tempered_likelihood
probs, labels = np.repeat([[0.9, 0.1], [0.2, 0.8]], 4, axis=0), np.array([0, 0, 0, 1, 1, 1, 1, 0])
for estimate in (*ESTIMATORS.values(), *FEATURE_ESTIMATORS.values()):
    estimate(probs, labels)
tempered_likelihood(probs, labels)
print(confident_learning(probs, labels).tolist())
"""
    )
    assert run(code) == "[[0.75, 0.25], [0.25, 0.75]]"


def test_no_part_of_scipy_is_imported_before_it_is_needed():
    code = f"""
import sys, {", ".join(MODULES)}
from labelnoise.estimators import ESTIMATORS
assert len(ESTIMATORS) > 1
print(sorted({{f"scipy.{{part}}" for part in ("stats", "optimize", "special", "sparse")}} & set(sys.modules)))
"""
    assert run(code) == "[]"
