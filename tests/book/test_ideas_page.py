"""The page "Try your own idea": its code and commands as they stand, and that ideas stay out of the book."""

import dataclasses
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import test_chapters

from labelnoise import cli
from labelnoise.book import chapters, matrix_tables, parameters, plans, project, results, tables, titles
from labelnoise.book.commands import chapter as command
from labelnoise.errors import InputError
from labelnoise.estimators import estimator
from labelnoise.trials import Ledger, missing
from labelnoise.trials import _running as running

PAGE = (Path(__file__).parents[2] / "book" / "ideas.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^```\{code-block\} python\n:caption: (\S+)\n\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))
BLOCKS = re.findall(r"^```bash\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
COMMANDS = [shlex.split(block.replace("\\\n", " "))[1:] for block in BLOCKS]
OWN, LOSS = "my_estimator:top_tenth", "my_loss:Trimmed"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the files of the page, in which a command is called."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LABELNOISE_FOLDER", raising=False)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("LABELNOISE_LEDGER", str(tmp_path / "runs" / "trials.jsonl"))
    return tmp_path


def planned(arguments):
    options = cli.parser(arguments).parse_args(arguments)
    return parameters.planned(options.name, command._assignments(options.parameter))


def test_the_page_has_an_estimator_of_five_lines_a_loss_of_ten_and_a_command_for_each():
    assert list(FILES) == ["my_estimator.py", "my_loss.py"]
    estimator_lines, loss_lines = (
        [line for line in text[text.index(start) :].splitlines() if line.strip()]
        for text, start in zip(FILES.values(), ("def ", "class "), strict=True)
    )
    assert len(estimator_lines) == 5
    assert len(loss_lines) <= 10
    assert [arguments[:2] for arguments in COMMANDS] == [["chapter", "02_estimation"], ["chapter", "03_correction"]]


def test_the_commands_of_the_page_ask_for_its_ideas_beside_the_others(folder):
    estimation, correction = map(planned, COMMANDS)
    assert list(estimation.estimators) == ["anchor-97", OWN]
    named = {(titles.method_title(t.method, t.transition or "")) for t in correction.trials}
    assert {"cross-entropy", "forward, true T", f"{LOSS}, true T", f"{LOSS}, {OWN}"} <= named


@pytest.mark.parametrize("n_classes", [3, 10])
def test_the_estimator_of_the_page_finds_t_where_one_image_in_ten_shows_its_class(folder, n_classes):
    generator = np.random.default_rng(0)
    matrix = generator.dirichlet(np.ones(n_classes), n_classes) / 4 + 0.75 * np.eye(n_classes)
    clean_probs = np.eye(n_classes)[np.arange(40 * n_classes) % n_classes]
    probs = clean_probs @ matrix
    size = len(probs) // 10
    assert size <= 40  # so that the tenth is of one class
    found = estimator(OWN)(probs, generator.integers(n_classes, size=len(probs)))
    np.testing.assert_allclose(found, matrix)


def test_the_ideas_of_the_page_come_out_beside_the_others(folder, tiny, monkeypatch):
    monkeypatch.setattr(running, "refitted_loss", lambda *args: 0.0)  # takes longer than so small a training
    arms = ["forward, true", f"{LOSS}, true", f"{LOSS}, {OWN}"]
    trials = [
        tiny(seed=seed, images=300, method=method, transition=source)
        for seed in range(2)
        for method, source in (("cross-entropy", None), *map(plans.arm, arms))
    ]
    plan = plans.Plan({"all": trials}, ["anchor-97", OWN])
    ledger = project.ledger()
    assert ledger.path.is_relative_to(folder)
    with ThreadPoolExecutor(1) as executor:
        chapters.train([plan], executor=executor)
    assert missing(plan.trials, project.ledger(), plan.estimators) == []
    records = project.obtain(plan)["all"]

    gains = tables.gains(tables.as_table(records))
    assert (gains["n"] == 2).all()
    assert gains[["gain", "low", "high", "p_value", "corrected"]].notna().all(axis=None)
    shown = results.compared(tables.as_table(records)).index.get_level_values(1)
    assert set(shown) == {"cross-entropy", "forward, true T", f"{LOSS}, true T", f"{LOSS}, {OWN}"}

    errors = matrix_tables.errors(matrix_tables.matrix_errors(records), ["oracle", *plan.estimators])
    assert errors["n"].tolist() == [2, 2, 2]
    assert titles.titled(errors)["estimator"].tolist() == ["oracle", "97th-percentile anchor", OWN]


@pytest.mark.parametrize("arguments", COMMANDS, ids=["an estimator", "a loss"])
def test_ideas_are_not_published(folder, capsys, monkeypatch, arguments):
    monkeypatch.setattr(chapters, "train", lambda *args, **kwargs: pytest.fail("it was trained"))
    assert cli.main([*arguments, "--publish"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert re.fullmatch(rf"labelnoise: ({OWN}|{LOSS}) is your own and stays under runs/; .*\n", shown.err)


def test_what_is_published_of_an_own_run_is_without_ideas(folder, tiny, made_up, monkeypatch):
    plan = plans.Plan({"all": [tiny()]})
    record = made_up(tiny())
    own = made_up(tiny(), transition_matrices={**record.transition_matrices, f"{OWN}@01234567": [[1.0]]})
    published = Ledger(folder / "results" / "trials.jsonl")
    monkeypatch.setattr(project, "published_ledger", lambda: published)
    project.ledger().append(own)
    chapters.train([plan], publish=True)
    assert published.find(tiny()) == record


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("raise OSError('x')", "The estimator broken:idea can't be imported: OSError: x; it was"),
        ("idea = lambda p, y: 0 * p[:3]", "The estimator broken:idea must give T of shape (3, 3): Row 0 of"),
        ("idea = lambda p, y: p[0]", "The estimator broken:idea must give T of shape (3, 3): A transition matrix must"),
    ],
)
def test_a_mistake_is_told_before_anything_is_trained(folder, capsys, monkeypatch, text, sentence):
    monkeypatch.setattr(chapters, "train", lambda *args, **kwargs: pytest.fail("it was trained"))
    (folder / "broken.py").write_text(text)
    assert cli.main(["chapter", "02_estimation", "-p", "estimators", "[broken:idea]"]) == 2
    shown = capsys.readouterr()
    assert sentence.format(folder=folder) in shown.err
    assert shown.err.count("\n") == 1


def test_an_own_estimator_is_planned_and_refused_without_torch(folder):
    code = f"""
import sys
sys.modules["torch"] = None
from labelnoise.book import parameters
print(list(parameters.planned("02_estimation", {{"estimators": [{OWN!r}]}}).estimators))
try:
    parameters.planned("02_estimation", {{"estimators": ["nowhere:idea"]}})
except ValueError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = "The estimator nowhere:idea can't be imported: ModuleNotFoundError: No module named 'nowhere'; "
    told += f"it was looked for in {folder}."
    assert done.stdout.splitlines() == [f"[{OWN!r}]", told]


def with_ideas(name):
    """A chapter's lists of estimators and of corrections, each with one of the page among few others."""
    found = {}
    for parameter in parameters.declared(name).values():
        if isinstance(parameter.default, list) and "anchor-97" in parameter.default:
            found[parameter.name] = ["anchor-97", "confident-learning", OWN]
        elif isinstance(parameter.default, list) and "forward, true" in parameter.default:
            found[parameter.name] = ["forward, true", "forward, alternating", f"forward, {OWN}", f"{LOSS}, true"]
        elif parameter.name.endswith("seeds") or parameter.name == "draws":
            found[parameter.name] = min(parameter.default, 2)
    return found


@pytest.mark.parametrize(
    "name", ["03_correction", "precision_depends", "06_when_to_correct", "08_human_noise", "ten_classes"]
)
def test_a_chapter_is_drawn_with_ideas(folder, made_up, monkeypatch, capsys, name):
    full = test_chapters.made_up_in_full

    def with_own(trial, *args):
        record = full(trial, *args)
        if trial.method != "cross-entropy":
            return record
        found = [record.transition_matrices, record.deviations]
        matrices, deviations = ({**each, OWN: each["anchor-97"]} for each in found)
        return dataclasses.replace(record, transition_matrices=matrices, deviations=deviations)

    monkeypatch.setattr(test_chapters, "made_up_in_full", with_own)
    values = with_ideas(name)
    assert OWN in str(values)
    asked, _ = test_chapters.run_cells(name, monkeypatch, made_up, lambda trial: 0.7, **values)
    assert any(trial.method.startswith(LOSS) for trial in asked) or name == "precision_depends"


def test_titles_are_without_the_hash():
    assert titles.method_title("a.b:C@01234567", "d:e@01234567") == "a.b:C, d:e"
    assert titles.source_title("d:e@01234567") == "d:e"
    with pytest.raises(InputError, match="Unknown estimator"):
        plans.Plan(estimators=["d.e"])


def test_the_page_types_no_result():
    prose = re.sub(r"^```.*?^```", "", PAGE, flags=re.DOTALL | re.MULTILINE)
    numbers = re.findall(r"\d+(?:\.\d+)?", re.sub(r"\{doc\}`[^`]*`", "", prose))
    assert sorted(numbers) == ["0", "1", "95"]  # labels from 0, rows sum to 1, the interval
