"""Settings and the tries by which they were chosen, as tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from labelnoise.book import titles
from labelnoise.book.tables import ARM_COLUMNS
from labelnoise.training import METHODS, MODELS, OURS, protocol
from labelnoise.trials import tuning


def tries(
    tried: Mapping[tuning.Arm, Sequence[tuple[tuning.Choice, float]]], settled: Mapping[tuning.Arm, tuning.Choice]
) -> pd.DataFrame:
    """Every configuration that was tried, one row each: by network, noise and method, the best first.

    Args:
        tried, settled: as the functions of `tuning` give them.

    Returns:
        Columns model, noise, method, transition; ``score`` in nats and ``behind``, its distance to the arm's best, in
        millinats; whether it is the ``protocol`` and whether it is what is ``reported``;
        learning_rate, weight_decay, epochs, and ``options`` as text.
    """
    rows = []
    models, methods = list(MODELS), list(METHODS)
    for arm, choices in sorted(
        tried.items(), key=lambda one: (models.index(one[0].model), one[0].noise, methods.index(one[0].method))
    ):
        for choice, score in choices:
            settings = choice.settings
            rows.append(
                {
                    "model": arm.model, "noise": arm.noise, "method": arm.method, "transition": arm.transition or "",
                    "score": score, "behind": 1000 * (score - choices[0][1]),
                    "protocol": choice == tuning.untuned(arm), "reported": choice == settled.get(arm),
                    "learning_rate": settings.learning_rate,
                    "weight_decay": settings.weight_decay, "epochs": settings.epochs,
                    "options": ", ".join(f"{name} {value:g}" for name, value in choice.options),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def chosen_tries(rows: pd.DataFrame) -> pd.DataFrame:
    """What each arm is reported with, how many tries it had and how far the protocol is behind the best, in millinats.

    Args:
        rows: as `tries` gives it.
    """
    cells = rows.groupby(ARM_COLUMNS, sort=False)
    reported = rows[rows["reported"]].drop(columns=["behind", "reported"])
    behind = rows[rows["protocol"]].set_index(ARM_COLUMNS)["behind"].rename("protocol behind").round(2)
    found = reported.merge(cells.size().rename("tries"), on=ARM_COLUMNS).merge(behind, on=ARM_COLUMNS)
    return found.assign(score=found["score"].round(5))


def settings(dataset: str, models: Mapping[str, str]) -> pd.DataFrame:
    """The default training settings, one row each, one column per network, and another for our own recipe.

    Args:
        dataset: a data set.
        models: network to its heading.
    """
    methods = {"": "cross-entropy", ", our recipe": OURS}
    return pd.DataFrame(
        {
            f"{heading}{suffix}": dataclasses.asdict(protocol(dataset, model, method))
            for model, heading in models.items()
            for suffix, method in methods.items()
        }
    )


def behind(scores: Sequence[Mapping[str, Any]], training: str) -> pd.DataFrame:
    """How far the mean loss of each setting lies above the method's best, in millinats.

    Args:
        scores: mappings with ``training``, ``method``, ``transition``, the name of the ``settings``, ``score`` in nats.
        training: "plain" or "modern".

    Returns:
        One row per method, by its title, one column per setting.
    """
    table = pd.DataFrame(scores).query("training == @training").fillna({"transition": ""})
    arms = zip(table["method"], table["transition"], strict=True)
    table = table.assign(method=[titles.method_title(*arm) for arm in arms])
    wide = 1000 * table.pivot_table(index="method", columns="settings", values="score", sort=False)
    return wide.sub(wide.min(axis=1), axis=0)
