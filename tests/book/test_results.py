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


def test_accuracies_stand_beside_each_other_by_name_and_training():
    named = {("cross-entropy", ""): "none", ("forward", "true"): "T"}
    runs = table(**{"cross-entropy": [0.8, 0.9]}, forward=[0.7, 0.6], mixup=[0.1, 0.2])
    both = results.of_trainings({"plain training": runs.assign(noise="clean"), "modern training": runs})
    assert set(both["training"]) == {"modern training"}
    assert both["arm"].iloc[-1] == "mixup"
    wide = results.beside(results.of_trainings({"plain training": runs, "modern training": runs}), named)
    assert sorted(wide) == ["T", "none", "plain T", "plain none"]
    assert wide.loc[("paper-0.6", 1)].round(6).to_dict() == {"T": 60, "none": 90, "plain T": 60, "plain none": 90}


def test_differences_are_paired_by_seed_on_the_papers_sets_alone():
    index = pd.MultiIndex.from_product([["clean", "paper-0.6"], [0, 1, 2]], names=["noise", "seed"])
    accuracies = pd.DataFrame({"a": [9, 9, 9, 90, 80, 70], "b": [1, 2, 3, 88, 79, 67]}, index=index)
    told = results.differences(accuracies, {"a over b": ("a", "b"), "a over c": ("a", "c")})
    assert told.index.tolist() == [("a over b", "paper-0.6")]
    lacking = accuracies.assign(b=[1, 2, 3, 88, 79, None], c=None)
    assert results.differences(lacking, {"x": ("a", "b"), "y": ("a", "c")})["mean"].to_dict() == {
        ("x", "paper-0.6"): 1.5
    }
    # The differences 2, 1 and 3 have the mean 2 and the deviation 1, and t(0.975, 2) is 4.3027.
    assert told.iloc[0].round(3).tolist() == [2.0, -0.484, 4.484]
