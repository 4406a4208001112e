"""What costs nothing to enter: names are known, and wrong ones refused, without what trains or draws."""

import subprocess
import sys

import pytest

# Run in a process of its own, in which these can't be imported.
BLOCKED = ("torch", "torchvision", "pandas", "matplotlib", "optuna", "scipy.stats", "scipy.optimize", "scipy.sparse")
HOOK = f"""
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name in {BLOCKED}:
            raise ImportError(name + " was imported")
sys.meta_path.insert(0, Blocked())
"""


def said(code):
    done = subprocess.run([sys.executable, "-c", HOOK + code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("module", ["torch", "pandas"])
def test_the_hook_blocks(module):
    assert (
        said(f"try:\n    import {module}\nexcept ImportError as error:\n    print(error)") == f"{module} was imported"
    )


def test_methods_networks_and_settings_are_known():
    code = """
from labelnoise.training import FUNCTIONS, METHODS, MODELS, Settings, protocol
print(METHODS["hog-forward"].title, MODELS["lenet"].title, protocol("fashion-mnist", "lenet").learning_rate, FUNCTIONS)
"""
    assert said(code) == "graph-guided training LeNet 0.006 100"


def test_data_sets_are_known_and_a_mistake_in_a_file_is_told():
    code = """
from labelnoise.data import DATASETS, read_npz, sources, true_matrix
print(DATASETS["fashion-mnist-3"].class_names[0], true_matrix("fashion-mnist-h-3", "human", 0).shape)
try:
    read_npz("nowhere.npz")
except ValueError as error:
    print(error)
"""
    assert said(code) == "T-shirt/top (3, 3)\nThere is no file nowhere.npz."


def test_images_are_counted_and_noise_by_image_is_drawn():
    code = """
from labelnoise.data import corruption, load, n_images, true_matrix
print(load("fashion-mnist-3").test_images.shape, n_images("fashion-mnist-3"), end=" ")
given = "fashion-mnist-3", "instance-0.4", 0
print(corruption(*given)[0].shape, true_matrix(*given).shape)
"""
    assert said(code) == "(3000, 1, 28, 28) 18000 (18000,) (3, 3)"


def test_a_chapters_trials_are_planned_and_a_wrong_name_is_refused():
    code = """
from labelnoise.trials import Record, Trial, trial, tuning
asked = trial(noise="paper-0.5", model="lenet", method="forward", transition="dual-t", seed=0)
arm = tuning.Arm("fashion-mnist-3", "paper-0.5", "lenet", "symmetric")
print(asked.prerequisite().method, tuning.chosen(arm).trial(arm, 0).method, tuning.untuned(arm).options)
try:
    trial(noise="paper-0.5", model="lenet", method="magic", seed=0)
except ValueError as error:
    print(str(error)[:22])
"""
    assert said(code) == "cross-entropy symmetric (('alpha', 0.1), ('beta', 1.0))\nUnknown method 'magic'"
