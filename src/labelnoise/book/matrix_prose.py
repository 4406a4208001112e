"""What estimates of T, noise and votes tell, as sentences."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from labelnoise.book import titles
from labelnoise.book.prose import listed
from labelnoise.transitions import Matrix, noise_rate


def noise_sentence(fits: pd.DataFrame, nominal: Mapping[str, Matrix]) -> str:
    """The rate of each noise, and how often the chi-square test rejects its T and the transpose at 5 %.

    Args:
        fits: as `tables.fit_of_noise` gives it.
        nominal: noise to T, shape (n_classes, n_classes).
    """
    parts = []
    for noise, matrix in nominal.items():
        cell = fits[fits["noise"] == noise]
        rejected = (cell.filter(like="p_value") < 0.05).sum()
        part = (
            f"{titles.noise_title(noise)} flips {100 * noise_rate(matrix):.0f} % of the labels, and the test below "
            f"rejects its T in {rejected['p_value']} of {len(cell)} corruptions"
        )
        if not np.allclose(matrix, matrix.T) and cell["p_value_transposed"].notna().all():
            part += f", the transpose of T in {rejected['p_value_transposed']}"
        parts.append(part)
    return f"{'; '.join(parts)}. By chance one rejection in twenty is expected."


def errors_sentence(*tables: pd.DataFrame) -> str:
    """The smallest mean error of T on each noise, beside the oracle's.

    Args:
        tables: as `matrix_tables.errors` gives them, with at least one estimator besides the oracle.
    """
    errors = pd.concat(tables)
    estimated = errors[errors["estimator"] != "oracle"].sort_values("mean").drop_duplicates("noise").set_index("noise")
    best = [(noise, estimated.loc[noise]) for noise in errors["noise"].unique()]
    parts = [
        f"{row['mean']:.3f} on {titles.noise_title(noise)} ({titles.source_title(row['estimator'])}, "
        f"{row['times_oracle']:.1f} times the oracle's, n = {row['n']})"
        for noise, row in best
    ]
    return f"The smallest mean relative L1 errors are {listed(parts)}."


def precision_sentence(precision: pd.DataFrame) -> str:
    """Which of the estimators that state intervals has the least bias and spread together, and what they cover.

    Args:
        precision: as `matrix_tables.precision` gives it.
    """
    precision = precision[precision["coverage"].notna()]
    total = precision["bias"] + precision["spread"]
    parts = []
    for noise in precision["noise"].unique():
        row = precision.loc[total[precision["noise"] == noise].idxmin()]
        name = titles.source_title(row["estimator"])
        others = precision[(precision["noise"] == noise) & (precision["estimator"] != row["estimator"])]
        parts.append(
            f"on {titles.noise_title(noise)} {name} has a bias of {row['bias']:.3f} and "
            f"a spread of {row['spread']:.3f}, and its 95 % intervals hold {100 * row['coverage']:.0f} % of the entries"
            + (f" (the others' at most {100 * others['coverage'].max():.0f} %)" if len(others) else "")
        )
    return f"Of the estimators that state intervals, {listed(parts)} (n = {precision['n'].iloc[0]})."
