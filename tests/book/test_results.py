import pandas as pd

from labelnoise.book import results, titles

COLUMNS = ["model", "noise", "method", "transition", "seed", "best_accuracy", "last_accuracy", "memorised"]


def table(**accuracies):
    rows = [
        ["lenet", "paper-0.6", method, "true" if method == "forward" else "", seed, value, value, 0.1]
        for method, values in accuracies.items()
        for seed, value in enumerate(values)
    ]
    return pd.DataFrame(rows, columns=COLUMNS).assign(failed=False)


def test_the_best_method_stands_first_and_cross_entropy_where_no_gain_would():
    shown = results.compared(table(mixup=[0.80, 0.81], **{"cross-entropy": [0.85, 0.86]}, forward=[0.90, 0.92]))
    assert [method for _, method in shown.index] == ["forward, true T", "cross-entropy", "mixup"]
    assert shown["accuracy (%)"].tolist() == ["91.0 ± 1.4", "85.5 ± 0.7", "80.5 ± 0.7"]
    assert shown["gain (points)"].iloc[1] == shown["p"].iloc[1] == ""


def test_runs_that_failed_are_counted_beside_the_mean_of_the_others():
    runs = table(**{"cross-entropy": [0.85, 0.5, 0.9]}, forward=[0.33, 0.9, 0.48], mixup=[0.3, 0.3, 0.3])
    runs["failed"] = runs["last_accuracy"] < 0.5
    assert results.failures(runs)["failed"].tolist() == [0, 2, 3]
    shown = results.compared(runs)["failed (others)"].droplevel("noise")
    assert shown.tolist() == ["0", "2 (90.0)", "3"]


def test_a_column_says_how_many_runs_there_are_where_methods_differ():
    runs = table(**{"cross-entropy": [0.85, 0.86, 0.9]}, forward=[0.88, 0.9])
    shown = results.compared(runs)
    assert "n" in shown
    assert sorted(shown["n"]) == [2, 3]
    assert "n" not in results.compared(runs[runs["seed"] < 2])


def test_a_p_value_has_no_more_digits_than_are_read():
    assert [titles.p_value(value) for value in (0.0009, 0.001, 0.0374, 1.0)] == ["< 0.001", "0.001", "0.037", "1.000"]
