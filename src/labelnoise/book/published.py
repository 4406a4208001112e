"""Errors of T that others have published, beside ours."""

from __future__ import annotations

import pandas as pd

from labelnoise.book import titles

HERE = "this book"

# Relative Frobenius errors on the source paper's sets: estimator, network, on "0.5", on "0.6", source.
# Hu and Grasevski 2020: column T-hat-RRE of results.csv, means of 10 splits. Robust trainers: computed from the three
# decimals that its README prints, for one draw; there "0.5" is flipped with the transpose, as the files that circulate.
ON_THE_PAPERS_SETS = (
    ("maximum anchor", "LeNet", 0.207, 0.278, "Hu and Grasevski 2020"),
    ("maximum anchor", "LightGBM", 0.298, 0.052, "Hu and Grasevski 2020"),
    ("Dual-T", "ResNet-34", 0.061, 0.021, "Robust trainers for noisy labels"),
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


def on_instance_noise(table: pd.DataFrame) -> pd.DataFrame:
    """Accuracy in percent on ten classes with instance-dependent noise: the published ones, then our means.

    Args:
        table: as `tables.as_table` gives it.
    """
    rows: list[list[object]] = [
        [name, "ResNet-18", *values, "Yao et al. 2021"] for name, values in ON_INSTANCE_NOISE.items()
    ]
    means = 100 * table.pivot_table(
        index=["model", "method", "transition"], columns="noise", values="last_accuracy", sort=False
    ).reindex(columns=list(INSTANCE_NOISES))
    for row in means.dropna(how="all").reset_index().to_dict("records"):
        ours = [row[noise] for noise in INSTANCE_NOISES]
        rows.append(
            [titles.method_title(row["method"], row["transition"]), titles.MODEL_TITLES[row["model"]], *ours, HERE]
        )
    columns = ["method", "network", *map(titles.noise_title, INSTANCE_NOISES), "source"]
    return pd.DataFrame(rows, columns=columns).round(1).astype(object).fillna("")


def on_the_papers_sets(errors: pd.DataFrame, network: str) -> pd.DataFrame:
    """Relative Frobenius errors on the paper's sets: the published ones, then ours, a row an estimator and network.

    Args:
        errors: as `matrix_tables.errors` gives it.
        network: that they are of, by its name in `models.MODELS`.
    """
    noises = ["paper-0.5", "paper-0.6"]
    rows = [[*row[:2], *row[2:4], row[4]] for row in ON_THE_PAPERS_SETS]
    ours = errors.pivot(index="estimator", columns="noise", values="frobenius").reindex(columns=noises)
    for name in dict.fromkeys(errors["estimator"]):
        rows.append([titles.source_title(name), titles.MODEL_TITLES[network], *ours.loc[name], HERE])
    columns = ["estimator", "network", *map(titles.noise_title, noises), "source"]
    return pd.DataFrame(rows, columns=columns).round(3)


def on_ten_classes(errors: pd.DataFrame) -> pd.DataFrame:
    """Relative L1 errors on ten classes: VolMinNet's published ones on MNIST, then ours on Fashion-MNIST.

    Args:
        errors: as `matrix_tables.errors` gives it.
    """
    noises = list(VOLMINNET_ON_MNIST)
    theirs = ["VolMinNet", "MNIST, 60 epochs", *VOLMINNET_ON_MNIST.values(), "Reproducing VolMinNet"]
    rows: list[list[object]] = [theirs]
    ours = errors.pivot(index="estimator", columns="noise", values="mean").reindex(columns=noises)
    for name in ("oracle", "volminnet", "alternating"):
        if name in ours.index:
            rows.append([titles.source_title(name), "Fashion-MNIST", *ours.loc[name], HERE])
    columns = ["estimator", "data", *map(titles.noise_title, noises), "source"]
    return pd.DataFrame(rows, columns=columns).round(3)
