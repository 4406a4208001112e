import ast
import dataclasses
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import matplotlib
import nbformat
import numpy as np
import pytest
from fontTools.ttLib import TTFont
from nbformat import v4

import labelnoise
from labelnoise import transitions
from labelnoise.book import chapters, pages, parameters, plans, project, stamps
from labelnoise.errors import InputError
from labelnoise.estimators import ESTIMATORS, FEATURE_ESTIMATORS
from labelnoise.trials import Ledger

SOURCES = project.notebook_names()
OVERVIEWS = (project.FRONT_PAGE, "explore")  # drawn from the trials of all chapters
NUMBERED = [name for name in SOURCES if name not in OVERVIEWS]
CHAPTERS = [name for name in NUMBERED if name[0].isdigit()]
KEYS_OF_A_RUN = re.compile(r"papermill|execut|iopub|shell|(start|end)_time|duration|timestamp", re.IGNORECASE)

every_source = pytest.mark.parametrize("name", SOURCES)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def parameters_cells(name):
    notebook = nbformat.read(SOURCES[name], as_version=4)
    return [cell.source for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]


# The sources as they stand.


def test_there_are_sources_which_are_listed_in_the_order_of_the_book():
    assert list(SOURCES) == sorted(SOURCES)
    names = project.as_listed()
    assert sorted(names) == list(SOURCES)
    assert names[:4] == ["index", "01_noise", "02_estimation", "03_correction"]
    assert names.index("08_human_noise") < names.index("09_your_data") < names.index("methods") < names.index("explore")
    assert {"01_noise", "02_estimation", "03_correction"} <= set(NUMBERED)


@every_source
def test_a_source_holds_no_outputs(name):
    for cell in code_cells(nbformat.read(SOURCES[name], as_version=4)):
        assert cell.outputs == []
        assert cell.execution_count is None


@every_source
def test_a_source_is_plain_python_that_installs_nothing(name):
    for cell in code_cells(nbformat.read(SOURCES[name], as_version=4)):
        ast.parse(cell.source)  # a magic or a shell command does not parse
        assert not re.search(r"\b(pip|conda|subprocess|get_ipython|os\.system)\b", cell.source)


@every_source
def test_code_cells_are_short(name):
    for cell in code_cells(nbformat.read(SOURCES[name], as_version=4)):
        if not {"parameters", "trials"} & set(cell.metadata.get("tags", [])):
            assert len([line for line in cell.source.splitlines() if line.strip()]) <= 15, cell.source


@pytest.mark.parametrize("name", NUMBERED)
def test_one_cell_has_the_parameters_each_with_a_type_a_comment_and_a_fitting_default(name):
    (text,) = parameters_cells(name)
    assert all(isinstance(node, ast.AnnAssign) for node in ast.parse(text).body)
    found = parameters.declared(name)
    assert list(found) == [node.target.id for node in ast.parse(text).body]
    for parameter in found.values():
        assert parameter.comment, parameter.name
        assert parameter.check(parameter.default) == parameter.default


@pytest.mark.parametrize("name", OVERVIEWS)
def test_pages_of_all_chapters_have_no_parameters(name):
    assert parameters_cells(name) == []
    assert parameters.declared(name) == {}


# The chapters as they are published.


def published(name):
    path = project.published_path(name)
    assert path.is_file(), f"publish it: labelnoise chapter {name} --publish"
    return nbformat.read(path, as_version=4)


@every_source
def test_a_published_chapter_stems_from_its_source_with_the_default_parameters(name):
    stamp = published(name).metadata["labelnoise"]
    assert stamp["source_sha256"] == stamps.source_hash(name), f"publish it: labelnoise chapter {name} --publish"
    assert stamp["parameters"] == {key: p.default for key, p in parameters.declared(name).items()}
    assert stamp["chapter"] == name
    assert stamp["profile"] == "full"
    assert not stamp["own_run"]
    assert stamp["labelnoise"] == labelnoise.__version__


@every_source
def test_a_published_chapter_has_the_cells_of_its_source_and_says_how_it_was_made(name):
    *cells, made = published(name).cells
    cells = [cell for cell in cells if not stamps.made_here(cell)]
    source = nbformat.read(SOURCES[name], as_version=4)
    assert [(c.cell_type, c.source) for c in cells] == [(c.cell_type, c.source) for c in source.cells]
    assert made.source.startswith("## How this page was made")


@every_source
def test_a_published_chapter_was_executed_in_order_without_error_or_stderr(name):
    cells = code_cells(published(name))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert outputs
    assert not [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]
    assert not [o for o in outputs if "trials done" in str(o.get("text", ""))]


@every_source
def test_a_published_table_has_all_its_rows(name):
    tables = [o.data["text/html"] for cell in code_cells(published(name)) for o in cell.outputs
              if "text/html" in o.get("data", {})]  # fmt: skip
    assert not [table for table in tables if re.search(r"\d+ rows × \d+ columns", table)]


def metadata_keys(value, inside=False):
    """Every key in the metadata of a notebook, its cells and its outputs."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if inside:
                yield key
            yield from metadata_keys(inner, inside or key == "metadata")
    elif isinstance(value, list):
        for inner in value:
            yield from metadata_keys(inner, inside)


@every_source
def test_a_published_chapter_does_not_say_when_its_cells_ran(name):
    keys = set(metadata_keys(published(name)))
    assert "source_sha256" in keys
    assert not [key for key in keys if KEYS_OF_A_RUN.search(key)]


@every_source
def test_the_data_of_each_published_figure_lie_beside_it(name):
    for cell in code_cells(published(name)):
        figure = cell.metadata.get("mystnb", {}).get("figure")
        if figure and "without-script" not in cell.metadata["tags"]:  # those only stand in for the page itself
            (table,) = [o.data[stamps.CSV] for o in cell.outputs if stamps.CSV in o.get("data", {})]
            file = project.root() / "book" / "_static" / "data" / name / f"{figure['name']}.csv"
            assert file.read_text() == table
            assert file.stat().st_size < 300_000


def test_the_page_of_figures_is_of_the_published_chapters():
    assert (project.root() / "book" / "figures.md").read_text() == stamps.figures_page()


# Parameters.

PARAMETERS = """
number: int = 2  # how many
share: float = 0.5  # of the whole
name: str = "a"
flag: bool = False  # on | off
numbers: list[int] = [1]  # several
shares: list[float] = [0.5]  # each in [0, 1]
names: list[str] = ["a"]  # by name
""".strip()


def save(root, name, *cells):
    metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    notebook = v4.new_notebook(cells=[v4.new_markdown_cell("# Title", id="title"), *cells], metadata=metadata)
    nbformat.write(notebook, root / "notebooks" / f"{name}.ipynb")


def code(text, number=0, **metadata):
    return v4.new_code_cell(text, id=f"code-{number}", metadata=metadata)


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A checkout of its own with one chapter of every kind of parameter."""
    root = tmp_path / "checkout"
    for folder in ("notebooks", "results", "book/chapters"):
        (root / folder).mkdir(parents=True)
    (root / "_toc.yml").write_text("format: jb-book\nroot: intro\nchapters:\n  - file: chapters/01_toy\n")
    save(root, "01_toy", code(PARAMETERS, tags=["parameters"]))
    monkeypatch.setattr(project, "root", lambda: root)
    monkeypatch.delenv("LABELNOISE_LEDGER", raising=False)
    return root


def test_parameters_are_read_with_type_default_and_comment(toy):
    found = parameters.declared("01_toy")
    assert {name: p.kind for name, p in found.items()} == {
        "number": int, "share": float, "name": str, "flag": bool,
        "numbers": list[int], "shares": list[float], "names": list[str],
    }  # fmt: skip
    assert [p.default for p in found.values()] == [2, 0.5, "a", False, [1], [0.5], ["a"]]
    assert found["shares"].comment == "each in [0, 1]"
    assert found["name"].comment == ""


@pytest.mark.parametrize(
    ("name", "value", "taken"),
    [
        ("number", 3, 3), ("share", 0.25, 0.25), ("share", 1, 1.0), ("name", "b", "b"), ("flag", True, True),
        ("numbers", [], []), ("shares", [0, 0.5, 1], [0.0, 0.5, 1.0]), ("names", ("a", "b"), ["a", "b"]),
    ],
)  # fmt: skip
def test_a_value_is_taken_in_the_type_of_its_parameter(toy, name, value, taken):
    checked = parameters.check("01_toy", {name: value})
    assert checked == {name: taken}
    assert json.dumps(checked[name]) == json.dumps(taken)  # 1 and 1.0 and True are equal, but not here


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("number", 1.0, "float"), ("number", True, "bool"), ("number", "3", "str"), ("number", None, "NoneType"),
        ("share", "0.5", "str"), ("share", False, "bool"), ("name", 3, "int"), ("flag", 1, "int"),
        ("flag", "yes", "str"), ("numbers", "[1, 2]", "str"), ("numbers", 1, "int"), ("numbers", [1, 2.0], "list"),
        ("numbers", [True], "list"), ("shares", "[0.1]", "str"), ("shares", ["0.1"], "list"),
        ("shares", [True], "list"), ("shares", {"a": 1}, "dict"), ("names", "ab", "str"), ("names", [["a"]], "list"),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_refused_in_one_sentence_with_an_example(toy, name, value, kind):
    with pytest.raises(InputError) as caught:
        parameters.check("01_toy", {name: value})
    message, parameter = str(caught.value), parameters.declared("01_toy")[name]
    assert message.startswith(f"Parameter {name} must be ")
    assert f"such as {parameter.default!r}, not {value!r} ({kind})." in message
    assert message.endswith(parameter.comment and f" It means: {parameter.comment}.")
    assert "\n" not in message


def test_an_unknown_parameter_or_chapter_is_refused_with_those_there_are(toy):
    with pytest.raises(InputError, match=r"^Chapter 01_toy has no parameter 'rate'; use one of: number, share, .*\.$"):
        parameters.check("01_toy", {"number": 3, "rate": 1})
    with pytest.raises(InputError, match=r"^There is no chapter '1_toy'; use one of: 01_toy\.$"):
        parameters.check("1_toy", {})


def test_a_chapter_without_parameters_says_so(toy):
    save(toy, "02_bare", code("1"))
    with pytest.raises(InputError, match=r"Chapter 02_bare has no parameter 'seeds'; use one of: none\.$"):
        parameters.check("02_bare", {"seeds": 1})


def test_what_was_spent_is_of_the_records_of_each_chapter_and_of_all_tries():
    spent = parameters.spent()
    assert list(spent) == [
        name for name in project.as_listed() if name in NUMBERED and name not in ("related", "status")
    ]
    results = project.root() / "results"
    lines = {name: (results / f"{name}.jsonl").read_text().splitlines() for name in ("tuning", "trials", "rates")}
    assert len(spent["07_tuning"]) == sum('"status": "done"' in line for line in lines["tuning"])
    assert len(spent["alexnet"]) == len(parameters.planned("alexnet").trials) + len(lines["rates"])
    # LeNet without noise and, on each of two noises, cross-entropy and forward correction by three T, 40 seeds each.
    assert len(spent["03_correction"]) == (1 + 2 * (1 + 3)) * 40
    seconds = {values["key"]: values["seconds"] for values in map(json.loads, lines["trials"])}
    for record in spent["03_correction"]:
        assert record.seconds == seconds[record.trial.key]


def test_the_planned_trials_are_those_that_the_chapters_cell_makes_of_its_parameters():
    paper = ["paper-0.5", "paper-0.6"]
    other = {"model": "alexnet", "profile": "smoke"}
    given = {"noises": ["symmetric-0.2"], "seeds": 2, "estimators": ["hoc", "volminnet"], **other}
    plan = parameters.planned("02_estimation", given)
    assert plan.trials == plans.estimation(noises=["symmetric-0.2"], seeds=2, learners=["volminnet"], **other)
    assert plan.estimators == ["hoc"]
    given = {"seeds": 1, "noises": [*paper, "paper-0.5", "symmetric-0.3"]}
    plan = parameters.planned("sgd", given)
    assert len(set(plan.trials)) == len(plan.trials)  # one noise is named twice
    assert set(plans.alike(plans.CONSTANT_SGD, noises=paper, seeds=1)) <= set(plan.groups["sgd"])
    assert {t.noise for t in plan.trials} == {*paper, "symmetric-0.3"}
    plan = parameters.planned("03_correction", {"noise_rates": [0.1, 0.3], "noise_kind": "pair-flip"})
    assert {t.noise for t in plan.trials} == {"clean", "pair-flip-0.1", "pair-flip-0.3"}
    assert {t.seed for t in plan.trials} == set(range(3))  # fewer than are published
    five = parameters.planned("03_correction", {"noise_rates": [0.1], "seeds": 5})
    assert {t.seed for t in five.trials} == set(range(5))
    assert parameters.planned("01_noise").trials == parameters.planned("index").trials == []


def test_what_can_not_be_planned_is_refused():
    with pytest.raises(InputError, match="has no parameter 'rates'"):
        parameters.planned("03_correction", {"rates": [0.1]})
    with pytest.raises(InputError, match="at least one seed, not 0"):
        parameters.planned("01_noise", {"seeds": 0})


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_cell_with_the_trials_follows_that_with_the_parameters(name):
    tags = [cell.metadata.get("tags", []) for cell in nbformat.read(SOURCES[name], as_version=4).cells]
    (place,) = (k for k, each in enumerate(tags) if "parameters" in each)
    assert [k for k, each in enumerate(tags) if "trials" in each] == [place + 1]


# What the sources ask for, without training it.


def made_up_in_full(trial, made_up, accuracy):
    """A record of one epoch with every T that a trial like this one gives."""
    matrix = transitions.symmetric(trial.n_classes, 0.3).tolist()
    names, spread = {trial.method}, {trial.method}
    if trial.method == "cross-entropy":
        names, spread = {*ESTIMATORS, *FEATURE_ESTIMATORS}, set(ESTIMATORS)
    elif trial.method == "cross-fitting":
        names = {f"{name}, {kind}" for name in ESTIMATORS for kind in ("held out", "calibrated")}
    measured = {"noisy_validation_accuracy": 0.5, "memorised": 0.1, "clean_test_accuracy": accuracy}
    history = {"noisy_validation_loss": [1.0]} | {name: [value] for name, value in measured.items()}
    return made_up(
        trial,
        history=history,
        transition_matrices=dict.fromkeys(["oracle", *names], matrix),
        deviations={name: np.full((trial.n_classes, trial.n_classes), 0.01).tolist() for name in spread & names},
        trace={name: [matrix] for name in ESTIMATORS if trial.trace},
        prob_quantiles=np.tile([0.1, 0.2, 0.3, 0.4, 0.5], (trial.n_classes, trial.n_classes, 1)).tolist(),
    )


def run_cells(name, monkeypatch, made_up, accuracy, **values):
    """Run a source's cells on made-up records; the trials asked for, and the variables in the end."""
    asked, variables = [], {}

    def recorded(trials):
        asked.extend(trials)
        return [made_up_in_full(trial, made_up, accuracy(trial)) for trial in trials]

    def obtain(plan):
        return {group: recorded(trials) for group, trials in plan.groups.items()}

    monkeypatch.setattr(project, "recorded", recorded)
    monkeypatch.setattr(project, "obtain", obtain)
    for cell in code_cells(nbformat.read(SOURCES[name], as_version=4)):
        exec(cell.source, variables)
        if "parameters" in cell.metadata.get("tags", []):
            variables |= values
    return asked, variables


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("02_estimation", {"seeds": 2}),
        ("estimates_ten", {"seeds": 2}),
        ("04_precision", {"seeds": 2}),
        ("precision_depends", {"seeds": 2, "images": [1000]}),
        ("10_performance", {"seeds": 2}),
        ("05_robustness", {"seeds": 2}),
        ("ten_classes", {"seeds": 1, "noises": ["instance-0.2"]}),
        ("06_when_to_correct", {"seeds": 1}),
        ("08_human_noise", {"seeds": 2}),
        ("03_correction", {"seeds": 3}),
        ("methods", {"seeds": 2}),
        ("alexnet", {"seeds": 2}),
        ("modern_training", {"seeds": 2}),
        ("modern_alexnet", {"seeds": 2}),
        ("modern_ten", {"seeds": 2}),
        ("wrong_t", {"seeds": 2}),
        ("long_training", {"seeds": 2}),
        ("sgd", {"seeds": 2}),
    ],
)
def test_a_chapter_asks_for_the_trials_that_were_planned(monkeypatch, made_up, capsys, name, values):
    asked, _ = run_cells(name, monkeypatch, made_up, lambda trial: 0.7, **values)
    assert set(asked) == set(parameters.planned(name, values).trials)


@pytest.mark.parametrize("name", ["05_robustness", "ten_classes"])
@pytest.mark.parametrize(
    "noise", ["random-0.3-7", "instance-raw-0.3", "clean", "symmetric-", "[[0.5, 0.5], [0.4, 0.6]]"]
)
def test_a_chapter_over_rates_refuses_noise_without_one_before_anything_is_trained(name, noise):
    with pytest.raises(InputError, match=r"has no rate to be drawn at; use symmetric-RATE, "):
        parameters.planned(name, {"noises": ["symmetric-0.2", noise]})


@pytest.mark.parametrize("name", ["03_correction", "methods", "06_when_to_correct", "05_robustness"])
def test_what_methods_are_compared_with_is_none_of_them(name):
    with pytest.raises(InputError, match="cross-entropy is what every method is compared with"):
        parameters.planned(name, {"methods": ["forward, true", "cross-entropy"]})


COMPARED = ["03_correction", "methods", "06_when_to_correct", "modern_training", "modern_alexnet", "modern_ten"]


@pytest.mark.parametrize("name", COMPARED)
def test_what_noisy_labels_are_compared_with_is_no_noise(name):
    with pytest.raises(InputError, match="clean is what noisy labels are compared with"):
        parameters.planned(name, {"noises": ["symmetric-0.2", "clean"]})


VARIED = [name for name in NUMBERED if "noise_kind" in parameters.declared(name)]
ON_TEN = {
    "noises": ["pair-flip-0.45", "instance-0.3"], "gentle_noises": ["symmetric-0.5"], "dataset": "fashion-mnist",
    "seeds": 1, "profile": "smoke",
}  # fmt: skip
BY_IMAGE = {"noise_rates": [0.3], "noise_kind": "instance", "models": ["alexnet"], "seeds": 2, "profile": "smoke"}


@pytest.mark.parametrize("values", [ON_TEN, BY_IMAGE], ids=["ten classes", "another network"])
@pytest.mark.parametrize("name", VARIED)
def test_a_chapter_is_drawn_for_ten_classes_for_another_network_and_noise_that_depends_on_the_image(
    monkeypatch, made_up, capsys, name, values
):
    values = {key: value for key, value in values.items() if key in parameters.declared(name)}
    run_cells(name, monkeypatch, made_up, lambda trial: 0.7, **values)


def test_the_error_of_a_wrong_t_is_one_of_as_many_classes_as_the_data_have(monkeypatch, made_up, capsys):
    values = {"noises": ["pair-flip-0.45"], "dataset": "fashion-mnist", "seeds": 2, "profile": "smoke"}
    _, variables = run_cells("wrong_t", monkeypatch, made_up, lambda trial: 0.7, **values)
    # sum |T - U| / 10 of pair flips at 0.45 on ten classes, halfway to the uniform U: (.225 + .175 + 8 * .05).
    assert variables["errors"].loc["towards-uniform-0.5", "pair-flip-0.45"] == pytest.approx(0.8)


def test_the_front_page_draws_its_answer_from_the_compared_arms_alone(monkeypatch, made_up, capsys):
    def accuracy(trial):
        if trial.settings == plans.CONSTANT_SGD:
            return 0.1 if trial.method == "forward" else 0.9
        return 0.80 if trial.method == "forward" else 0.75

    asked, variables = run_cells("index", monkeypatch, made_up, accuracy)
    assert set(asked) <= {trial for name in NUMBERED for trial in parameters.planned(name).trials}
    for gains, name in ((variables["gains"], "03_correction"), (variables["gained"], "modern_training")):
        defaults = parameters.defaults(name)
        assert set(gains["n"]) == {defaults["seeds"]}
        forward = [arm for arm in defaults["methods"] if arm.startswith("forward, ")]
        assert gains[gains["method"] == "forward"]["gain"].tolist() == pytest.approx([5] * 2 * len(forward))


# Where a source comes into the hash of it.


def test_the_source_hash_follows_text_and_metadata_but_not_outputs(toy):
    def hashed(text="1", **metadata):
        cell = code(text, **metadata)
        save(toy, "02_other", cell)
        return stamps.source_hash("02_other")

    first = hashed()
    assert hashed() == first
    assert len({first, hashed("2"), hashed(tags=["hide-input"])}) == 3
    executed = code("1")
    executed.update(execution_count=1, outputs=[v4.new_output("stream", text="1")])
    save(toy, "02_other", executed)
    assert stamps.source_hash("02_other") == first


# Putting a chapter in place.


def finished(text="42", **stamp):
    """A notebook as `execute` gives it."""
    fields = {
        "chapter": "01_toy",
        "seconds": 1.0,
        "date": "2026-01-01",
        "processor": "p",
        "python": "3.11",
        "torch": "2",
    }
    cell = code("print(42)")
    cell.update(execution_count=1, outputs=[v4.new_output("stream", text=text)])
    made = v4.new_markdown_cell(f"executed {fields | stamp}", id="how-this-page-was-made")
    notebook = v4.new_notebook(cells=[cell, made], metadata={"labelnoise": fields | stamp})
    nbformat.validate(notebook)
    return notebook


def state(path):
    """What tells whether a file was written again."""
    return path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino


@pytest.mark.parametrize("name", ["seconds", "date", "processor", "python"])
def test_a_page_that_says_the_same_is_left_alone(tmp_path, name):
    path = tmp_path / "chapters" / "01_toy.ipynb"
    assert chapters.write(finished(), path)
    before = state(path)
    other = finished(**{name: 99.0 if name == "seconds" else "another"})
    assert not chapters.write(other, path)
    assert state(path) == before


@pytest.mark.parametrize("other", [finished("43"), finished(torch="3"), finished(parameters={"n": 3})])
def test_a_page_that_says_something_else_is_replaced_whole(tmp_path, other):
    path = tmp_path / "01_toy.ipynb"
    chapters.write(finished(), path)
    assert chapters.write(other, path)
    assert nbformat.read(path, as_version=4) == other
    assert os.listdir(tmp_path) == ["01_toy.ipynb"]


# Executing.

TOY_PARAMETERS = """
n: int = 2  # a number
mode: str = "quiet"  # quiet | raise | warn | refuse
"""
TOY_TRIALS = """
from labelnoise.book import plans
from labelnoise.training import Settings
from labelnoise.trials import trial
settings = Settings(epochs=1, batch_size=128, learning_rate=3e-3, weight_decay=1e-2)
tiny = {"noise": "paper-0.5", "model": "lenet", "method": "cross-entropy", "images": 600, "settings": settings}
plan = plans.Plan({"tiny": [trial(seed=seed, **tiny) for seed in range(n)]})
"""
TOY_CODE = """
import os, warnings
from labelnoise.book import project
from labelnoise.errors import InputError
if mode == "raise":
    raise ValueError("too big")
if mode == "warn":
    warnings.warn("too loud")
if mode == "refuse":
    raise InputError("The number is too small; pass a larger one.")
project.recorded(plan.trials)
print(n, os.path.basename(os.environ["LABELNOISE_LEDGER"]), os.path.basename(os.getcwd()))
n + 1
"""


@pytest.fixture
def runnable(toy):
    """The chapter asks for as many trials as its parameter says, and can be made to fail."""
    save(
        toy,
        "01_toy",
        code(TOY_PARAMETERS.strip(), 1, tags=["parameters"]),
        code(TOY_TRIALS.strip(), 2, tags=["trials"]),
        code(TOY_CODE.strip(), 3),
    )
    return toy


def run(name, given, *, publish=False, progress=None):
    """As `labelnoise chapter` does it, in this process."""
    chapters.train([parameters.planned(name, given)], publish=publish, progress=progress)
    ((_, path),) = chapters.draw([name], given, publish=publish)
    return path


def without_stamp(notebook):
    assert notebook.cells[-1].id == "how-this-page-was-made"
    stamp = notebook.metadata["labelnoise"]
    kept = {key: value for key, value in stamp.items() if key not in ("seconds", "date")}
    return notebook.cells[:-1], {**notebook.metadata, "labelnoise": kept}


def test_an_own_run_is_executed_and_stamped_and_the_same_each_time(runnable):
    before = dict(os.environ)
    ledger = runnable / "some.jsonl"
    first, second = (chapters.execute("01_toy", {"n": 3}, ledger) for _ in range(2))
    assert without_stamp(first) == without_stamp(second)
    assert dict(os.environ) == before
    nbformat.validate(first)

    stamp = first.metadata["labelnoise"]
    assert stamp["chapter"] == "01_toy"
    assert stamp["parameters"] == {"n": 3, "mode": "quiet"}
    assert stamp["own_run"] is True
    assert stamp["profile"] == "full"
    assert stamp["source_sha256"] == stamps.source_hash("01_toy")
    assert stamp["seconds"] > 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", stamp["date"])
    assert stamp["processor"]
    assert stamp["torch"]
    title, note, *_, executed, made = first.cells
    assert title.source == "# Title"
    assert note.source.startswith(":::{warning}\n**Your own run, not the published chapter.**")
    assert "with `n = 3`." in note.source
    assert "book/chapters/01_toy.ipynb" in note.source
    printed, value = executed.outputs
    assert printed.text == "3 some.jsonl checkout\n"
    assert value.data["text/plain"] == "4"
    assert "`n = 3`, `mode = 'quiet'`" in made.source
    assert stamp["source_sha256"][:16] in made.source
    assert not [key for key in metadata_keys(first) if KEYS_OF_A_RUN.search(key)]


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("raise", "Chapter 01_toy failed in cell 4: ValueError: too big"),  # after the cells of parameters and trials
        ("warn", r"Chapter 01_toy wrote to stderr in cell 5: .*UserWarning: too loud"),
        ("refuse", r"The number is too small; pass a larger one\."),
    ],
)
def test_a_chapter_that_fails_says_why_in_a_sentence_and_leaves_the_book_alone(runnable, trained, mode, message):
    place = project.published_path("01_toy")
    chapters.write(finished(), place)
    before = state(place)
    with pytest.raises(InputError, match=f"^{message}$"):
        run("01_toy", {"mode": mode}, publish=True)
    assert state(place) == before
    assert os.listdir(place.parent) == ["01_toy.ipynb"]


# The same page on every machine.

ELSEWHERE = {
    "LC_ALL": "de_DE.UTF-8", "LANG": "tr_TR.UTF-8", "TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "7",
    "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", "MPLBACKEND": "svg",
    "USER": "somebody", "LOGNAME": "somebody", "HOSTNAME": "elsewhere", "COLUMNS": "40",
}  # fmt: skip
OPTIONS = """
import pandas
pandas.set_option("display.precision", 1, "display.max_rows", 2, "display.max_colwidth", 5)
"""


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Another language, user and place, more threads and fonts, and a reader's settings of pandas and matplotlib."""
    startup = tmp_path / "ipython" / "profile_default" / "startup" / "options.py"
    startup.parent.mkdir(parents=True)
    startup.write_text(OPTIONS)
    (tmp_path / "startup.py").write_text(OPTIONS)
    (tmp_path / "matplotlibrc").write_text("font.family: serif\naxes.facecolor: red\nsavefig.dpi: 50\n")
    font = TTFont(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSerif.ttf")
    for record in font["name"].names:
        record.string = record.toUnicode().replace("DejaVu Serif", "DejaVu Sans")  # the name of what figures use
    (tmp_path / "fonts").mkdir()
    font.save(tmp_path / "fonts" / "own.ttf")
    monkeypatch.chdir(tmp_path)
    own = {"IPYTHONDIR": str(tmp_path / "ipython"), "PYTHONSTARTUP": str(tmp_path / "startup.py")}
    own |= {"XDG_DATA_HOME": str(tmp_path), "MPLCONFIGDIR": str(tmp_path / "matplotlib")}
    for name, value in (ELSEWHERE | own | {"MATPLOTLIBRC": str(tmp_path / "matplotlibrc")}).items():
        monkeypatch.setenv(name, value)


SEEN = """
import locale, logging, os, time
import labelnoise.book, matplotlib, pandas
logging.getLogger("matplotlib.font_manager").warning("Matplotlib is building the font cache; this may take a moment.")
print(pandas.get_option("display.precision"), pandas.get_option("display.max_rows"), time.tzname[0], hash("a"))
print(matplotlib.rcParams["axes.facecolor"], matplotlib.rcParams["font.family"], locale.setlocale(locale.LC_ALL, ""))
print({name: os.environ[name] for name in ("OMP_NUM_THREADS", "MPLBACKEND")})
"""


@pytest.fixture
def plain(toy):
    """What a chapter sees of where it is executed, here."""
    save(toy, "01_toy", code(SEEN.strip(), 1))
    return outputs(chapters.execute("01_toy", {}, toy / "none.jsonl"))


def test_a_chapter_sees_nothing_of_where_it_is_executed(toy, plain, elsewhere):
    assert outputs(chapters.execute("01_toy", {}, toy / "none.jsonl")) == plain


def test_a_published_page_is_the_same_byte_by_byte_elsewhere(elsewhere):
    notebook = chapters.execute("01_noise", {}, project.published_ledger().path)
    shown, kept = outputs(notebook), outputs(published("01_noise"))
    if f"matplotlib=={matplotlib.__version__} " not in (project.root() / "requirements.lock").read_text():
        for output in [*shown, *kept]:
            output.get("data", {}).pop("image/png", None)  # another version draws other pixels, and sizes
            output.get("metadata", {}).pop("image/png", None)
    assert shown == kept


def test_the_page_on_your_own_data_does_not_train_while_it_is_drawn(monkeypatch):
    def refuse(*args, **kwargs):
        pytest.fail("It trains.")

    monkeypatch.setattr("labelnoise.own._training.train", refuse)
    variables = {}
    for cell in code_cells(nbformat.read(SOURCES["09_your_data"], as_version=4)):
        exec(cell.source, variables)
    names, (kept,) = list(project.own_folder().iterdir()), project.own_folder().glob("*.json")
    assert sum(file.stat().st_size for file in names) < 300_000
    recorded = json.loads(kept.read_text())
    assert variables["bounds"].estimate == pytest.approx(np.array(recorded["transition_matrix"]))


# Publishing, and an own run.


def test_publishing_brings_the_readers_own_records_along_and_trains_the_rest(runnable, trained, tiny, made_up):
    own = Ledger(runnable / "runs" / "trials.jsonl")
    mine = dataclasses.replace(made_up(tiny(seed=0)), seconds=77.0)
    own.append(mine)
    own.append(made_up(tiny(seed=9)))
    before = own.path.read_bytes()
    seen = []
    path = run("01_toy", {}, publish=True, progress=seen.append)
    assert path == runnable / "book" / "chapters" / "01_toy.ipynb"
    assert trained == [tiny(seed=1)]
    assert (seen[-1].done, seen[-1].total) == (1, 1)
    assert list(project.published_ledger()) == [mine, made_up(tiny(seed=1))]
    assert own.path.read_bytes() == before
    notebook = nbformat.read(path, as_version=4)
    assert notebook.metadata["labelnoise"]["own_run"] is False
    assert [cell.id for cell in notebook.cells] == ["title", "code-1", "code-2", "code-3", "how-this-page-was-made"]
    assert notebook.cells[3].outputs[0].text == "2 trials.jsonl checkout\n"
    assert not (runnable / "runs" / "01_toy").exists()

    was = state(path)
    run("01_toy", {}, publish=True)
    assert state(path) == was
    assert len(trained) == 1


def states(*folders):
    files = [path for folder in folders for path in (project.root() / folder).rglob("*.*") if path.is_file()]
    return {path: state(path) for path in files}


def test_an_own_run_goes_to_runs_with_its_page_and_leaves_book_and_records_alone(runnable, trained, tiny, made_up):
    (runnable / "_config.yml").write_text(
        'title: Toy\nexecute: {execute_notebooks: "off"}\nonly_build_toc_files: true\n'
    )
    (runnable / "CHANGELOG.md").touch()
    (runnable / "book" / "intro.md").write_text("# Introduction\n")
    for name in ("_config.yml", "_toc.yml"):
        (runnable / "book" / name).symlink_to(f"../{name}")
    project.published_ledger().append(made_up(tiny(seed=0)))
    place = project.published_path("01_toy")
    chapters.write(finished(), place)
    kept = states("book", "results")

    page = run("01_toy", {"n": 3})
    assert page == runnable / "runs" / "01_toy" / "html" / "chapters" / "01_toy.html"
    text = page.read_text()
    assert "Your own run, not the published chapter." in text
    assert "3 trials.jsonl checkout" in text
    assert trained == [tiny(seed=1), tiny(seed=2)]
    assert {record.trial for record in Ledger(runnable / "runs" / "trials.jsonl")} == set(trained)
    assert states("book", "results") == kept

    (runnable / "_toc.yml").write_text("format: jb-book\nroot: intro\n")
    with pytest.raises(InputError, match=r"01_toy\.ipynb did not build: .*01_toy\.html; is 01_toy in _toc\.yml\?$"):
        pages.render(runnable / "runs" / "01_toy" / "01_toy.ipynb")


# A real chapter, from end to end.

SMOKE = {"profile": "smoke", "seeds": 1, "noises": ["paper-0.5"]}
SMOKE |= {"estimators": ["anchor-max", "anchor-97", "volminnet"]}


def outputs(notebook):
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def test_a_chapter_trains_what_it_misses_and_draws_it(tmp_path):
    notebook = chapters.execute("02_estimation", SMOKE, tmp_path / "trials.jsonl")
    records = list(Ledger(tmp_path / "trials.jsonl"))
    assert {record.trial for record in records} == set(parameters.planned("02_estimation", SMOKE).trials)
    stamp = notebook.metadata["labelnoise"]
    assert stamp["profile"] == "smoke"
    assert stamp["trials"] == len(records)
    assert stamp["own_run"]
    assert stamp["parameters"] == {key: p.default for key, p in parameters.declared("02_estimation").items()} | SMOKE
    shown = outputs(notebook)
    assert {o.output_type for o in shown} <= {"display_data", "execute_result"}  # no progress is left
    assert sum("image/png" in o.data for o in shown) == 3
    drawn = [o.data[stamps.CSV] for o in shown if stamps.CSV in o.data]
    assert any(all(name in table for name in ("oracle", "anchor-max", "anchor-97")) for table in drawn)


def test_plain_papermill_runs_a_chapter_from_any_folder(tmp_path):
    papermill = Path(sys.executable).with_name("papermill")
    small = "profile: smoke, seeds: 1, noises: [symmetric-0.2]"
    text = f"{{{small}, estimators: [anchor-97, volminnet]}}"
    done = subprocess.run(
        [papermill, SOURCES["02_estimation"], "out.ipynb", "-y", text],
        cwd=tmp_path,
        env=os.environ | {"LABELNOISE_LEDGER": str(tmp_path / "mine.jsonl")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(os.listdir(tmp_path)) == ["mine.fits", "mine.jsonl", "out.ipynb"]
    recorded = Counter(record.trial.noise for record in Ledger(tmp_path / "mine.jsonl"))
    assert recorded == {"symmetric-0.2": 2}
    shown = outputs(nbformat.read(tmp_path / "out.ipynb", as_version=4))
    assert sum("image/png" in o.get("data", {}) for o in shown) == 3
    assert not [o for o in shown if o.output_type in ("error", "stream")]
