import numpy as np
import pandas as pd
import pytest

from labelnoise.book import literature
from labelnoise.names import PAPER


def errors(noises, estimators):
    rows = [[noise, name, 0.01 * (1 + k), 0.02 * (1 + k)] for noise in noises for k, name in enumerate(estimators)]
    return pd.DataFrame(rows, columns=["noise", "estimator", "mean", "frobenius"])


def test_ours_stand_below_the_published_ones_on_the_papers_sets():
    table = literature.on_the_papers_sets(errors(["paper-0.6", "paper-0.5"], ["oracle", "dual-t"]), "alexnet")
    ours = table[table["source"] == literature.HERE].set_index("estimator")
    assert ours["network"].tolist() == ["AlexNet"] * 2
    assert ours.loc["Dual-T", ["“0.5”", "“0.6”"]].tolist() == [0.04, 0.04]
    assert table["source"].tolist()[-2:] == [literature.HERE] * 2
    assert len(table) == 2 + len(literature.ON_THE_PAPERS_SETS)


def test_a_set_that_was_not_run_is_left_empty():
    table = literature.on_the_papers_sets(errors(["symmetric-0.2"], ["oracle"]), "lenet")
    assert table[table["source"] == literature.HERE][["“0.5”", "“0.6”"]].isna().all(axis=None)


def test_ten_classes_have_the_noises_of_the_published_runs():
    ours = errors(list(literature.VOLMINNET_ON_MNIST), ["oracle", "alternating"])
    table = literature.on_ten_classes(ours, "fashion-mnist-h")
    assert table["data"].tolist() == ["MNIST, 60 epochs", "Fashion-MNIST-H", "Fashion-MNIST-H"]
    assert table["estimator"].tolist() == ["VolMinNet", "oracle", "alternating likelihood"]
    assert table.iloc[1, 2:6].tolist() == [0.01] * 4
    assert table.iloc[0, 2:6].tolist() == [0.030, 0.179, 0.007, 0.005]


def accuracies(rows):
    columns = ["model", "method", "transition", "noise", "last_accuracy"]
    return pd.DataFrame(rows, columns=columns)


def test_our_accuracies_stand_below_the_published_ones_of_the_same_method():
    rows = [["lenet", "forward", "true", f"paper-{rate}", value] for rate in (0.5, 0.6) for value in (0.9, 0.92)]
    rows += [["lenet", "mixup", "", "paper-0.5", 0.8], ["lenet", "cross-entropy", "", "paper-0.6", 0.7]]
    table = literature.accuracies_on_the_papers_sets(accuracies(rows))
    assert len(table) == len(literature.ACCURACIES_ON_THE_PAPERS_SETS) + 2
    assert "mixup" not in set(table["method"])  # nobody has published it
    of_forward = table[table["method"].str.startswith("forward")]
    assert of_forward["source"].tolist()[-1] == literature.HERE
    assert of_forward.iloc[-1][["“0.5”", "“0.6”"]].tolist() == [91.0, 91.0]
    assert of_forward.index.tolist() == list(range(of_forward.index[0], of_forward.index[0] + len(of_forward)))
    ours = table[(table["source"] == literature.HERE) & (table["method"] == "cross-entropy")]
    assert ours[["“0.5”", "“0.6”"]].to_numpy().tolist() == [["", 70.0]]


def test_what_could_not_be_read_at_its_source_is_marked():
    table = literature.accuracies_on_the_papers_sets(accuracies([]))
    marked = table["source"].str.endswith("second-hand")
    assert set(table["source"][marked]) == {"Díaz and Steele 2021, second-hand"}
    assert not table["source"][~marked].str.contains("Díaz").any()


def test_published_estimates_lie_nearer_to_the_transpose():
    table = literature.orientation()
    assert len(table) == len(literature.ON_PAPER_05)
    assert (table["to its transpose"] < table["to T"]).all()
    # The relative L1 distance between T and its transpose bounds what the two can differ by.
    printed = np.array(PAPER["paper-0.5"])
    assert (table["to T"] - table["to its transpose"]).max() <= np.abs(printed - printed.T).sum() / printed.sum()
    for *_, rounded in literature.ON_PAPER_05:
        assert np.array(rounded).sum(axis=1) == pytest.approx(1, abs=0.04)


def test_the_errors_that_are_read_off_printed_matrices_are_theirs():
    # Of those who print a matrix, the relative Frobenius error on "0.5" is its distance to what the labels were
    # flipped with; Hu and Grasevski print the mean of ten errors beside the mean matrix, whose error is less.
    flipped_with = np.array(PAPER["paper-0.5"]).T
    errors_of = {row[4]: row[2] for row in literature.ON_THE_PAPERS_SETS if row[1] != "LightGBM"}
    for _, _, source, rounded in literature.ON_PAPER_05:
        distance = np.linalg.norm(np.array(rounded) - flipped_with) / np.linalg.norm(flipped_with)
        if source.startswith("Hu"):
            assert distance < errors_of[source]
        else:
            assert distance == pytest.approx(errors_of[source], abs=1e-3)


@pytest.mark.parametrize("noises", [literature.INSTANCE_NOISES, literature.RAW_NOISES])
def test_ours_of_either_form_of_noise_stand_below_the_published_ones(noises):
    rows = [["lenet", "forward", "true", noise, value] for noise in noises for value in (0.5, 0.7)]
    table = literature.on_instance_noise(accuracies(rows).assign(dataset="fashion-mnist"), noises)
    assert len(table) == len(literature.ON_INSTANCE_NOISE) + 1
    assert table.iloc[-1, 2:].tolist() == [60.0] * 3 + [literature.HERE]
    assert table.iloc[0, 2:5].tolist() == [88.5, 84.2, 52.3]


def test_accuracies_on_another_data_set_do_not_stand_below_the_published_ones():
    rows = [["lenet", "forward", "true", noise, 0.9] for noise in literature.INSTANCE_NOISES]
    table = literature.on_instance_noise(accuracies(rows).assign(dataset="fashion-mnist-3"))
    assert literature.HERE not in set(table["source"])
