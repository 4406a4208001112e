import pandas as pd

from labelnoise.book import published


def errors(noises, estimators):
    rows = [[noise, name, 0.01 * (1 + k), 0.02 * (1 + k)] for noise in noises for k, name in enumerate(estimators)]
    return pd.DataFrame(rows, columns=["noise", "estimator", "mean", "frobenius"])


def test_ours_stand_below_the_published_ones_on_the_papers_sets():
    table = published.on_the_papers_sets(errors(["paper-0.6", "paper-0.5"], ["oracle", "dual-t"]), "alexnet")
    ours = table[table["source"] == published.HERE].set_index("estimator")
    assert ours["network"].tolist() == ["AlexNet"] * 2
    assert ours.loc["Dual-T", ["“0.5”", "“0.6”"]].tolist() == [0.04, 0.04]
    assert table["source"].tolist()[-2:] == [published.HERE] * 2
    assert len(table) == 2 + len(published.ON_THE_PAPERS_SETS)


def test_a_set_that_was_not_run_is_left_empty():
    table = published.on_the_papers_sets(errors(["symmetric-0.2"], ["oracle"]), "lenet")
    assert table[table["source"] == published.HERE][["“0.5”", "“0.6”"]].isna().all(axis=None)


def test_ten_classes_have_the_noises_of_the_published_runs():
    table = published.on_ten_classes(errors(list(published.VOLMINNET_ON_MNIST), ["oracle", "alternating"]))
    assert table["estimator"].tolist() == ["VolMinNet", "oracle", "alternating likelihood"]
    assert table.iloc[1, 2:6].tolist() == [0.01] * 4
    assert table.iloc[0, 2:6].tolist() == list(published.VOLMINNET_ON_MNIST.values())
