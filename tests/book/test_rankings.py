import numpy as np
import pytest

from labelnoise.book import costs, rankings

THEIRS = list(rankings.THEIRS)


def result(**scores):
    """Two cells to choose by and two to judge by, each ranking with the same score by every measure."""
    cells = []
    for k in range(4):
        given = {name: dict.fromkeys(rankings.MEASURES, each[k]) for name, each in scores.items()}
        theirs = {name: dict.fromkeys(rankings.MEASURES, 0.5 + 0.1 * place) for place, name in enumerate(THEIRS)}
        filters = {"a": {"precision": k / 10, "recall": 1.0}}
        about = {"chosen_on": k < 2, "rankings": given | theirs, "filters": filters, "wrong": 0.2}
        cells.append({**about, "wrong_after": {"0.5": 0.1 * k, "0.9": 0.15}})
    return {"cells": cells}


def test_a_ranking_is_chosen_on_one_half_and_compared_with_the_best_of_theirs_on_the_other():
    made = result(first=[0.9, 0.9, 0.6, 0.8], second=[0.8, 0.8, 0.9, 0.9])
    assert rankings.chosen(made) == "first"
    table = rankings.table(made)
    assert table.index[0] == "second"
    assert table.loc["first", "AUROC"] == pytest.approx(0.7)
    assert table.loc["first", "AUROC, worse"] == 0.5  # the best of theirs has 0.7
    assert table.loc[THEIRS, "AUROC, worse"].tolist() == [1, 1, 0]
    assert rankings.best_of_theirs(rankings.scores(made, "AUROC")) == THEIRS[-1]


def test_of_rankings_better_in_the_mean_the_one_worse_in_the_fewest_cells_is_chosen():
    # The best of theirs has 0.7: the first is below it once, the second never, and the third is no better in the mean.
    assert rankings.chosen(result(first=[1.0, 0.6, 0, 0], second=[0.75, 0.75, 0, 0], third=[0.7] * 4)) == "second"


def test_filters_and_cleaning_are_means_over_the_cells_to_judge_by():
    made = result(first=[0.5] * 4)
    assert rankings.count(made) == 2
    assert rankings.filters(made).loc["a"].tolist() == pytest.approx([0.25, 1])
    cleaned = rankings.cleaned(made)
    np.testing.assert_allclose(cleaned["after"], [0.25, 0.15])
    np.testing.assert_allclose(cleaned["rose"], [0.5, 0])


def test_every_set_classifier_and_noise_is_on_both_sides():
    cells = costs.measured("rankings")["cells"]
    assert len(cells) >= 20
    for key in ("set", "classifier", "noise"):
        sides = [{cell[key] for cell in cells if cell["chosen_on"] == side} for side in (True, False)]
        assert sides[0] == sides[1]
