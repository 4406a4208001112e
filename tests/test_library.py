"""The public names: what they say of themselves, where the book lists them, and that its examples run."""

import contextlib
import doctest
import importlib
import inspect
import io
import pkgutil
import re
import subprocess
import sys
from dataclasses import is_dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

import labelnoise

BOOK = Path(__file__).resolve().parent.parent / "book"
CALLABLE = [name for name in labelnoise.__all__ if callable(getattr(labelnoise, name))]
ARRAYS = re.compile(r"ArrayLike|Tensor|Labels|Matrix|NDArray")
# What comes from no paper.
OWN = {
    "Batch", "Bounds", "Dataset", "Estimate", "InputError", "NoisySet", "corrupt", "draw", "frobenius_error",
    "Training", "TrainedNetwork", "gain_resolution", "load_network", "mean_transition_matrix", "noise_rate", "oracle",
    "read_npz", "validate", "write_npz",
}  # fmt: skip


WITH_EXAMPLES = ["transitions", "names", "noise", "statistics", "data", "estimators", "losses", "own"]
# Names whose docstring has no example, and why not.
WITHOUT_EXAMPLE = {
    "Dataset": "a data set has to be fetched",
    "cifar10": "a data set has to be fetched",
    "cifar10n": "a data set has to be fetched",
    "fashion_mnist": "a data set has to be fetched",
    "fashion_mnist_h": "a data set has to be fetched",
    "train": "a training takes seconds",
    "Training": "train makes it",
    "Estimate": "the example of estimate shows it",
    "Bounds": "the example of interval shows it",
    "NoisySet": "the example of write_npz shows it",
    "TrainedNetwork": "the example of load_network shows it",
    "Batch": "the example of EarlyLearning shows it",
    "InputError": "an exception",
}


def takes_arrays(public):
    if isinstance(public, type) and issubclass(public, Exception):
        return False
    return any(ARRAYS.search(str(each.annotation)) for each in inspect.signature(public).parameters.values())


@pytest.mark.parametrize("name", CALLABLE)
def test_a_public_name_says_shapes_errors_and_source(name):
    public = getattr(labelnoise, name)
    text = inspect.getdoc(public)
    assert text
    if takes_arrays(public):
        assert re.search(r"[Ss]hape (of )?\(", text)
    if inspect.isfunction(public) or (isinstance(public, type) and issubclass(public, torch.nn.Module)):
        assert "Raises:\n" in text
    if isinstance(public, type) and issubclass(public, torch.nn.Module):
        assert "shape (n, n_classes)" in sys.modules[public.__module__].__doc__, "what every loss is called with"
    if is_dataclass(public):
        assert "Attributes:\n" in text
    assert (name in OWN) != bool(re.search(r"\b(19|20)\d\d\b", text)), "a source names its year"


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_the_examples_in_docstrings_show_what_comes_out(name):
    package = importlib.import_module(f"labelnoise.{name}")
    parts = [f"{package.__name__}.{each.name}" for each in pkgutil.iter_modules(getattr(package, "__path__", []))]
    results = [doctest.testmod(importlib.import_module(part)) for part in (package.__name__, *parts)]
    assert not sum(result.failed for result in results)
    assert sum(result.attempted for result in results)


@pytest.mark.parametrize("name", CALLABLE)
def test_a_public_name_has_an_example_or_is_known_to_have_none(name):
    assert (">>>" in inspect.getdoc(getattr(labelnoise, name))) != (name in WITHOUT_EXAMPLE)


def test_every_package_with_examples_has_them_run():
    source = Path(labelnoise.__file__).parent
    files = [file.relative_to(source) for file in source.rglob("*.py") if re.search(r"^\s*>>>", file.read_text(), re.M)]
    assert {file.parts[0].removesuffix(".py") for file in files} == set(WITH_EXAMPLES)


def test_every_public_name_is_on_one_api_page_and_nothing_else_is():
    listed = [
        name
        for page in sorted((BOOK / "api").glob("*.md"))
        for name in re.findall(r"^\.\. [\w:]+:: labelnoise\.(\S+)$", page.read_text(), flags=re.MULTILINE)
    ]
    assert sorted(listed) == labelnoise.__all__


def test_the_registries_are_listed_by_the_names_of_their_estimators():
    page = (BOOK / "api" / "estimators.md").read_text()
    for name in (*labelnoise.ESTIMATORS, *labelnoise.FEATURE_ESTIMATORS):
        assert f"``{name}``" in page


def test_public_names_are_those_of_the_modules_and_hide_none_of_them():
    for name in labelnoise.__all__:
        public = getattr(labelnoise, name)
        if callable(public):
            assert getattr(importlib.import_module(public.__module__), name) is public
        assert not (Path(labelnoise.__file__).parent / f"{name}.py").exists()
    assert set(labelnoise.__all__) <= set(dir(labelnoise))
    with pytest.raises(AttributeError, match="No labelnoise attribute forward"):
        labelnoise.forward  # noqa: B018


def test_importing_the_package_imports_neither_torch_nor_numpy():
    code = "import sys, labelnoise; print(sorted({'torch', 'numpy', 'scipy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.fixture(scope="module")
def page():
    """The names that the blocks of the page leave behind, run one after the other."""
    names = {}
    with torch.random.fork_rng(), contextlib.redirect_stdout(io.StringIO()):
        for block in re.findall(r"^```python\n(.*?)^```", (BOOK / "library.md").read_text(), re.DOTALL | re.MULTILINE):
            exec(block, names)
    return names


def test_the_estimates_of_the_page_are_nearer_to_the_truth_than_no_noise_is(page):
    truth = page["T"]
    assert page["error"] < labelnoise.l1_error(np.eye(10), truth) / 2
    assert page["bounds"].covers(page["T_hat"]).all()
    assert set(page["estimates"]) == set(labelnoise.ESTIMATORS)


def test_the_cleaned_labels_of_the_page_have_fewer_wrong_ones(page):
    clean = page["clean_labels"][page["train"]]
    gained = (page["judged"].cleaned == clean).astype(float) - (page["noisy_labels"] == clean)
    # A cleaning that gains nothing passes once in 30,000 times.
    assert gained.mean() > 4 * gained.std() / len(gained) ** 0.5


def test_the_gain_of_the_page_is_seen_in_clean_labels_too(page):
    clean = page["clean_labels"][page["train"]]
    difference = np.mean(page["pred_probs"].argmax(axis=1) == clean) - np.mean(page["second"] == clean)
    assert page["gain"].low > 0
    assert difference > 0


def test_the_loops_of_the_page_learn_clean_classes(page):
    # Of the noisy labels 0.7 are right: a network that learns the classes has the clean one oftener than that.
    assert page["accuracy"] > 0.7
    assert labelnoise.l1_error(page["T_learned"], page["T"]) < labelnoise.l1_error(np.eye(10), page["T"])
    clean = torch.tensor(page["clean_labels"][page["train"]])
    wrong = page["y"] != clean
    with torch.no_grad():
        predicted = page["network"](page["x"]).argmax(dim=1)
    assert (predicted == clean)[wrong].sum() > (predicted == page["y"])[wrong].sum(), "early learning memorises less"


def test_the_corrected_classifier_of_the_page_finds_more_of_what_was_recorded_wrongly(page):
    n = np.sum(page["benign_test"] == 0)
    assert page["found"]["corrected"] > page["found"]["usual"]
    # A classifier that has learned the flips by heart finds those that were not flipped; it passes once in 700 times.
    assert page["found"]["corrected"] - 0.65 > 3 * np.sqrt(0.65 * 0.35 / n)


def test_the_reader_of_the_page_knows_clean_topics(page):
    # Of the labels typed 0.65 are right; a reader that knows no more passes once in 3 million times.
    assert page["share"] - 0.65 > 5 * np.sqrt(0.65 * 0.35 / 300)


def test_the_network_of_the_page_is_loaded_as_it_was_saved(page):
    # A network that knows no more than the labels passes once in 30,000 times.
    assert page["right"] - 0.8 > 4 * np.sqrt(0.8 * 0.2 / 160)
    np.testing.assert_array_equal(page["loaded"].predict(page["pictures"]), page["trained"].predict(page["pictures"]))
