"""What others have published, errors of T and accuracies, beside ours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from labelnoise import transitions
from labelnoise.book import titles
from labelnoise.names import PAPER

HERE = "this book"
SECOND_HAND = ", second-hand"

# Relative Frobenius errors on the source paper's sets: estimator, network, on "0.5", on "0.6", source. All three have
# "0.5" flipped with the transpose of the printed T, as the files that circulate, and are held against that one.
# Hu and Grasevski 2020: column T-hat-RRE of results.csv, means of 10 trainings on one split, as the deviation of 0 of
# its LightGBM shows. Robust trainers: from the three decimals that its README prints, for one draw. Diaz and Steele:
# from the matrices that the notebook of their code prints, for one training.
ON_THE_PAPERS_SETS = (
    ("maximum anchor", "LeNet", 0.207, 0.278, "Hu and Grasevski 2020"),
    ("maximum anchor", "LightGBM", 0.298, 0.052, "Hu and Grasevski 2020"),
    ("maximum anchor", "ResNet", 0.096, 0.109, "Díaz and Steele 2021"),
    ("Dual-T", "ResNet-34", 0.061, 0.021, "Robust trainers for noisy labels"),
)

# The estimates behind these on "0.5", to three decimals. Columns of the first and the last sum to 1, and rows of the
# second; here rows are clean classes.
ON_PAPER_05 = (
    ("maximum anchor", "LeNet", "Hu and Grasevski 2020",
     ((0.609, 0.267, 0.125), (0.153, 0.598, 0.249), (0.254, 0.173, 0.572))),
    ("maximum anchor", "ResNet", "Díaz and Steele 2021",
     ((0.546, 0.225, 0.229), (0.231, 0.489, 0.280), (0.286, 0.213, 0.501))),
    ("Dual-T", "ResNet-34", "Robust trainers for noisy labels",
     ((0.473, 0.306, 0.221), (0.209, 0.485, 0.306), (0.309, 0.232, 0.460))),
)  # fmt: skip

# Accuracies in percent on the source paper's sets: method, source of T, network, on "0.5", on "0.6", source.
# Hu and Grasevski 2020: columns acc and acc-hat of results.csv, rows lenet. Robust trainers: means of 10 seeds in its
# README. Diaz and Steele 2021 (arXiv:2106.00274): means of 10 splits as others have read them in the paper; here only
# its abstract and the notebook of its code could be read, whose runs of forward correction agree.
ACCURACIES_ON_THE_PAPERS_SETS = (
    ("cross-entropy", "", "their own", 91.0, 82.0, f"Díaz and Steele 2021{SECOND_HAND}"),
    ("forward", "true", "LeNet", 91.6, 86.2, "Hu and Grasevski 2020"),
    ("forward", "true", "ResNet-34", 77.5, 77.1, "Robust trainers for noisy labels"),
    ("forward", "true", "their own", 91.0, 86.0, f"Díaz and Steele 2021{SECOND_HAND}"),
    ("forward", "anchor-max", "LeNet", 92.3, 81.4, "Hu and Grasevski 2020"),
    ("reweighting", "true", "ResNet", 90.5, 86.0, f"Díaz and Steele 2021{SECOND_HAND}"),
    ("t-revision", "", "ResNet", 93.0, 86.5, f"Díaz and Steele 2021{SECOND_HAND}"),
    ("co-teaching", "", "ResNet-34", 90.3, 80.3, "Robust trainers for noisy labels"),
)

# Relative L1 errors of VolMinNet on MNIST, of T and its estimate as stored in output/ for one run each.
VOLMINNET_ON_MNIST = {"symmetric-0.2": 0.030, "symmetric-0.5": 0.179, "pair-flip-0.2": 0.007, "pair-flip-0.45": 0.005}

# Accuracy in percent of ResNet-18 on Fashion-MNIST with instance-dependent noise: Yao et al. 2021 (arXiv:2109.02986).
ON_INSTANCE_NOISE = {
    "cross-entropy": (88.5, 84.2, 52.3),
    "forward": (90.1, 86.3, 58.2),
    "T-Revision": (91.6, 89.5, 69.0),
    "CausalNL": (90.8, 90.0, 78.2),
}
INSTANCE_NOISES = ("instance-0.2", "instance-0.4", "instance-0.5")
RAW_NOISES = ("instance-raw-0.2", "instance-raw-0.4", "instance-raw-0.5")  # the form that theirs has


def _means(table: pd.DataFrame, noises: Sequence[str]) -> list[list[object]]:
    """What we reach: method, its title, network, mean accuracies in percent and source, a row per network and arm."""
    means = 100 * table.pivot_table(
        index=["model", "method", "transition"], columns="noise", values="last_accuracy", sort=False
    ).reindex(columns=list(noises))
    rows = means.dropna(how="all").reset_index().itertuples(index=False, name=None)
    return [
        [method, titles.method_title(method, transition), titles.MODEL_TITLES[model], *reached, HERE]
        for model, method, transition, *reached in rows
    ]


def _errors(errors: pd.DataFrame, column: str, noises: Sequence[str], of: str) -> dict[str, list[object]]:
    """What ours err: the estimator's name to its title, what it is of, the errors on the noises and the source."""
    wide = errors.pivot(index="estimator", columns="noise", values=column).reindex(columns=list(noises))
    names = errors["estimator"].unique()
    return {name: [titles.source_title(name), of, *wide.loc[name], HERE] for name in names}


def _table(rows: Sequence[Sequence[object]], heads: Sequence[str], noises: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=[*heads, *map(titles.noise_title, noises), "source"])


def on_instance_noise(table: pd.DataFrame, noises: Sequence[str] = INSTANCE_NOISES) -> pd.DataFrame:
    """Accuracy in percent on Fashion-MNIST with instance-dependent noise: the published ones, then our means.

    Accuracies on another data set are left out.

    Args:
        table: as `tables.as_table` gives it.
        noises: ours of the rates 0.2, 0.4 and 0.5, of either form.
    """
    published = [[name, "ResNet-18", *values, "Yao et al. 2021"] for name, values in ON_INSTANCE_NOISE.items()]
    ours = [row for _, *row in _means(table[table["dataset"] == "fashion-mnist"], noises)]
    return titles.blanked(_table([*published, *ours], ["method", "network"], noises).round(1))


def accuracies_on_the_papers_sets(table: pd.DataFrame) -> pd.DataFrame:
    """Accuracies in percent on the paper's sets, those of a method together: the published ones, then our means.

    Of ours those of methods that others have published, whatever their T is estimated by.

    Args:
        table: as `tables.as_table` gives it.
    """
    noises = ["paper-0.5", "paper-0.6"]
    published = [
        [name, titles.method_title(name, transition), *reached]
        for name, transition, *reached in ACCURACIES_ON_THE_PAPERS_SETS
    ]
    theirs = [row[0] for row in published]
    rows = sorted(
        [*published, *_means(table[table["method"].isin(theirs)], noises)], key=lambda row: theirs.index(row[0])
    )
    return titles.blanked(_table([row for _, *row in rows], ["method", "network"], noises).round(1))


def orientation() -> pd.DataFrame:
    """How far the published estimates on "0.5" lie from the printed T and from its transpose, in relative L1 error."""
    printed = np.array(PAPER["paper-0.5"])
    rows = []
    for estimator, network, paper, rounded in ON_PAPER_05:
        matrix = np.array(rounded)
        matrix /= matrix.sum(axis=1, keepdims=True)
        rows.append([paper, estimator, network, *(transitions.l1_error(matrix, T) for T in (printed, printed.T))])
    return pd.DataFrame(rows, columns=["source", "estimator", "network", "to T", "to its transpose"]).round(3)


def on_the_papers_sets(errors: pd.DataFrame, network: str) -> pd.DataFrame:
    """Relative Frobenius errors on the paper's sets: the published ones, then ours, a row per estimator and network.

    Args:
        errors: as `matrix_tables.errors` gives it.
        network: that they are of, by its name in `training.MODELS`.
    """
    noises = ["paper-0.5", "paper-0.6"]
    ours = _errors(errors, "frobenius", noises, titles.MODEL_TITLES[network])
    return _table([*ON_THE_PAPERS_SETS, *ours.values()], ["estimator", "network"], noises).round(3)


def on_ten_classes(errors: pd.DataFrame, dataset: str) -> pd.DataFrame:
    """Relative L1 errors on ten classes: VolMinNet's published ones on MNIST, then ours.

    Args:
        errors: as `matrix_tables.errors` gives it.
        dataset: what it is of, by name.
    """
    noises = list(VOLMINNET_ON_MNIST)
    theirs = ["VolMinNet", "MNIST, 60 epochs", *VOLMINNET_ON_MNIST.values(), "Reproducing VolMinNet"]
    ours = _errors(errors, "mean", noises, titles.dataset_title(dataset))
    shown = [ours[name] for name in ("oracle", "volminnet", "volminnet-sigmoid", "alternating") if name in ours]
    return _table([theirs, *shown], ["estimator", "data"], noises).round(3)
