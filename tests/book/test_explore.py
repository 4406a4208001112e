import dataclasses
import json
import re

import nbformat
import numpy as np
import pytest
from bs4 import BeautifulSoup

from labelnoise.book import explore, parameters, plans, project, tables

ROWS = [[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.3, 0.3, 0.4]]
CELL = {"dataset": "fashion-mnist-3", "noise": "paper-0.5", "model": "lenet"}
PLAIN = ("cross-entropy", None)


@pytest.fixture
def record(made_up):
    """Makes a record of an arm as the book reports it, or as the fields say, with its accuracies."""

    def make(arm=PLAIN, seed=0, accuracies=(0.6, 0.8, 0.9), cell=CELL, matrix=ROWS, **fields):
        asked = dataclasses.replace(plans.chosen_trial(**cell, arm=arm, seed=seed), **fields)
        blank = made_up(asked)
        history = dict.fromkeys(blank.history, [0.5] * len(accuracies)) | {"clean_test_accuracy": list(accuracies)}
        matrices = dict.fromkeys({*blank.transition_matrices, asked.method}, matrix)
        return dataclasses.replace(blank, history=history, best_epoch=1, transition_matrices=matrices)

    return make


@pytest.fixture
def records(record):
    plain = [record(seed=seed, accuracies=(0.5, 0.8 + seed / 100, 0.8)) for seed in range(4)]
    gained = [record(("forward", "true"), seed, (0.5, 0.83 + seed**2 / 200, 0.87)) for seed in (2, 1, 0)]
    return [*plain, *gained]


def only_cell(records):
    (cell,) = explore.states(records)["cells"]
    return cell


@pytest.mark.parametrize("epoch", explore.EPOCHS)
def test_a_gain_is_that_of_the_tables_and_the_difference_of_the_means_beside_it(records, epoch):
    (row,) = tables.gains(tables.as_table(records), explore.EPOCHS[epoch]).to_dict("records")
    method = only_cell(records)["methods"]["forward, true"]
    assert method[epoch]["gain"] == pytest.approx([row["gain"], row["low"], row["high"]], abs=1e-4)
    assert len(method["seeds"]) == row["n"] == 3
    assert method[epoch]["accuracy"][0] - method[epoch]["plain"][0] == pytest.approx(row["gain"], abs=2e-4)


def test_each_seed_has_its_own_curve_in_percent(records):
    methods = only_cell(records)["methods"]
    assert methods["forward, true"]["seeds"] == [2, 1, 0]
    assert methods["forward, true"]["curves"] == [[50, 85, 87], [50, 83.5, 87], [50, 83, 87]]
    assert "gain" not in methods["cross-entropy"]["last"]
    assert methods["cross-entropy"]["seeds"] == [0, 1, 2, 3]


def test_one_seed_has_no_interval_and_stays_json(record):
    shown = explore.states([record(), record(("mixup", None))])
    assert shown["cells"][0]["methods"]["mixup"]["last"] == {
        "accuracy": [90, None], "plain": [90, None], "gain": [0, None, None],
    }  # fmt: skip
    assert json.loads(json.dumps(shown, allow_nan=False))["cells"] == shown["cells"]


def test_a_method_is_compared_only_on_seeds_that_cross_entropy_has(record, records):
    assert explore.states([*records, record(("forward", "true"), 9)]) == explore.states(records)
    assert explore.states([record(("forward", "true"), 9)])["cells"] == []


def test_other_settings_fewer_images_and_networks_in_folds_stand_for_no_cell(record, records):
    settings = records[0].trial.settings
    others = [
        record(settings=plans.CONSTANT_SGD),
        record(settings=dataclasses.replace(settings, epochs=settings.epochs + 1)),
        record(("forward", "true"), images=1000),
        record(("forward", "true"), refit=True),
        record(trace=True),
        record(("cross-fitting", None)),
    ]
    assert explore.states([*others, *records]) == explore.states(records)


def test_a_learner_shows_the_t_that_the_estimation_asks_for(record, records):
    arm = ("t-revision", "anchor-97")
    plain, asked = plans.estimation(
        dataset=CELL["dataset"], noises=[CELL["noise"]], model=CELL["model"], learners=["t-revision"], seeds=1
    )
    own = record(arm, settings=asked.settings, base=plain.settings)
    assert own.trial == asked
    shown = only_cell([*records, record(arm, matrix=np.eye(3).tolist()), own])
    assert shown["estimators"]["t-revision"]["mean"] == ROWS
    assert shown["estimators"]["t-revision"]["n"] == 1
    assert shown["methods"]["t-revision, anchor-97"]["seeds"] == [0]
    assert {name for name in shown["estimators"] if name.startswith("round")} == set()


def test_a_mean_t_and_its_error_are_over_the_seeds(record):
    truth = np.array([[0.5, 0.2, 0.3], [0.3, 0.5, 0.2], [0.2, 0.3, 0.5]])
    off = np.array([[0.1, -0.1, 0], [0, 0, 0], [0, 0, 0]])
    found = only_cell([record(seed=k, matrix=(truth + sign * off).tolist()) for k, sign in enumerate((1, -1))])
    assert found["estimators"]["oracle"]["mean"] == found["estimators"]["oracle"]["truth"] == truth.tolist()
    assert found["estimators"]["oracle"]["error"] == pytest.approx(0.2 / 3, abs=1e-4)


def test_new_noises_show_up_by_kind_and_rate_and_the_ceiling_beside_them(record):
    noises = ["random-0.35-7", "pair-flip-0.45", "pair-flip-0.2", "clean"]
    shown = explore.states([record(cell=CELL | {"noise": noise}) for noise in noises])
    assert [(cell["kind"], cell["rate"]) for cell in shown["cells"]] == [
        ("random", "0.35-7"), ("pair-flip", "0.45"), ("pair-flip", "0.2"), ("clean", ""),
    ]  # fmt: skip
    assert [rate for rate, _ in shown["choices"]["rate"]] == ["", "0.2", "0.35-7", "0.45"]
    assert {cell["ceiling"] for cell in shown["cells"]} == {90}
    assert only_cell([record()])["ceiling"] is None


# The page as the book has it, from the records.


@pytest.fixture(scope="module")
def notebook():
    """The variables that the notebook's cells leave."""
    variables = {}
    for cell in nbformat.read(project.notebook_path("explore"), as_version=4).cells:
        if cell.cell_type == "code":
            exec(cell.source, variables)
    return variables


def test_every_state_on_record_is_whole(notebook):
    shown = notebook["shown"]
    assert len(shown["cells"]) > 1
    for cell in shown["cells"]:
        for field in ("dataset", "kind", "rate", "model"):
            assert cell[field] in dict(shown["choices"][field])
        n_classes = len(shown["classes"][cell["dataset"]])
        assert {"oracle"} <= cell["estimators"].keys() <= dict(shown["choices"]["estimator"]).keys()
        for estimator in cell["estimators"].values():
            for matrix in (estimator["mean"], estimator["truth"]):
                assert np.shape(matrix) == (n_classes, n_classes)
                # Each entry is rounded to four digits.
                np.testing.assert_allclose(np.sum(matrix, axis=1), 1, atol=n_classes * 0.5e-4 + 1e-9)
        assert {"cross-entropy"} <= cell["methods"].keys() <= dict(shown["choices"]["method"]).keys()
        for method in cell["methods"].values():
            assert len(method["seeds"]) == len(set(method["seeds"])) == len(method["curves"])
            assert set(method["seeds"]) <= set(cell["methods"]["cross-entropy"]["seeds"])


def test_what_figures_choose_on_the_page_is_there(notebook):
    cells = notebook["shown"]["cells"]
    chosen = [
        cell.metadata["explore"]
        for name in project.notebook_names()
        for cell in nbformat.read(project.notebook_path(name), as_version=4).cells
        if "explore" in cell.metadata
    ]
    assert len(chosen) > 10
    for choice in chosen:
        fields = {field: choice[field] for field in ("dataset", "kind", "rate", "model") if field in choice}
        (cell, *_) = [cell for cell in cells if fields.items() <= cell.items()]
        assert choice.get("method", "cross-entropy") in cell["methods"]
        assert choice.get("estimator", "oracle") in cell["estimators"]


def test_the_page_is_small_parses_and_names_no_host(notebook):
    html = explore.page(notebook["shown"])
    assert len(html.encode()) < 600_000
    assert not re.search(r"https?://", html.replace("http://www.w3.org/2000/svg", ""))
    assert not re.search(r"\b(fetch|XMLHttpRequest|import|src)\b\s*[(=]", html)
    text = BeautifulSoup(html, "html.parser").find(id="explore-states").string
    assert json.loads(text) == json.loads(json.dumps(notebook["shown"]))


def test_text_in_the_states_ends_no_script():
    hostile = {"title": "</script><script>alert(1)</script>"}
    page = BeautifulSoup(explore.page(hostile), "html.parser")
    assert json.loads(page.find(id="explore-states").string) == hostile
    assert len(page.find_all("script")) == 2


def test_the_page_asks_for_no_trial_of_its_own():
    assert parameters.planned("explore").trials == []
