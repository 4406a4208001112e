"""What trials cost, from records and from the measurements that `benchmarks/` writes."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from labelnoise.book.project import root
from labelnoise.book.tables import as_table, difference, spread
from labelnoise.book.titles import MODEL_TITLES, titled
from labelnoise.errors import InputError
from labelnoise.statistics import paired_difference
from labelnoise.trials import Record, Trial, trial

WAYS = {
    "loader": "(a) DataLoader loop",
    "one": "(b) ours, one trial",
    "all": "(c) ours, a trial per core",
}


def measured(name: str) -> dict[str, Any]:
    """What ``benchmarks/`` measured and wrote to ``results/benchmarks/NAME.json``."""
    found: dict[str, Any] = json.loads((root() / "results" / "benchmarks" / f"{name}.json").read_text())
    return found


def throughput(result: Mapping[str, Any]) -> pd.DataFrame:
    """Images trained per second, one row per network, way (see `WAYS`) and round.

    Of (a) it is the rate with the better number of workers.
    """
    rows = []
    for model, rounds in result["rounds"].items():
        better = max(("loader-0", "loader-2"), key=lambda name: np.median([r[name] for r in rounds]))
        for number, rates in enumerate(rounds):
            for way, title in WAYS.items():
                rate = rates[better if way == "loader" else way]
                rows.append([MODEL_TITLES[model], title, number, rate])
    return pd.DataFrame(rows, columns=["network", "way", "round", "images_a_second"])


def throughput_summary(result: Mapping[str, Any]) -> pd.DataFrame:
    """Medians over rounds: images per second, how many times (a), and the share of the machine's peak.

    The peak is that of a matrix multiplication in the way's precision, on one thread for (b) and on
    all otherwise; the share counts the products of a forward and a backward pass.
    """
    medians = throughput(result).groupby(["network", "way"])["images_a_second"].median()
    rows = []
    for model, (way, title) in itertools.product(result["rounds"], WAYS.items()):
        precision = "float32" if way == "loader" else result["settings"][model]["precision"]
        rate, common = (medians[MODEL_TITLES[model], name] for name in (title, WAYS["loader"]))
        peak = result["peak"][f"{precision}-{1 if way == 'one' else result['cores']}"]
        share = 100 * rate * result["operations_an_image"][model] / peak
        rows.append([MODEL_TITLES[model], title, precision, rate, rate / common, share])
    columns = ["network", "way", "precision", "images per second", "times (a)", "% of peak"]
    return pd.DataFrame(rows, columns=columns)


def profile(result: Mapping[str, Any]) -> pd.DataFrame:
    """Milliseconds of a training step, one row per network and way, one column per kind of operation, dearest first."""
    rows = {
        (MODEL_TITLES[model], way): spent
        for model, ways in result["milliseconds"].items()
        for way, spent in ways.items()
    }
    table = pd.DataFrame.from_dict(rows, orient="index").fillna(0)
    return table[table.sum().sort_values(ascending=False).index]


DIFFERENCE = ["model", "noise", "accuracy at", "difference", "low", "high", "n"]


def loader_difference(result: Mapping[str, Any], records: Iterable[Record]) -> pd.DataFrame:
    """Ours minus loop (a) in points of accuracy at the last epoch, paired by seed, one row per network.

    Args:
        result: what `benchmarks/throughput.py` wrote of the accuracy of (a), seeds from 0 up.
        records: of any trials; those with the default settings that (a) was run for are compared.
    """
    ours = {r.trial: 100 * r.history["clean_test_accuracy"][-1] for r in records}
    rows = []
    for model, reached in result["last_accuracy"].items():
        asked = [trial(model=model, noise=result["noise"], method="cross-entropy", seed=s) for s in range(len(reached))]
        pairs = [(ours[t], 100 * theirs) for t, theirs in zip(asked, reached, strict=True) if t in ours]
        if pairs:
            first, second = zip(*pairs, strict=True)
            gain = paired_difference(first, second)
            rows.append([model, result["noise"], "last epoch", gain.mean, gain.low, gain.high, gain.n])
    return titled(pd.DataFrame(rows, columns=DIFFERENCE))


def precision_difference(records: Sequence[Record]) -> pd.DataFrame:
    """bfloat16 minus float32 in points of accuracy, paired by seed, one row per network, noise and epoch chosen."""
    brain, full = ([r for r in records if r.trial.settings.precision == form] for form in ("bfloat16", "float32"))
    found = {f"{epoch} epoch": difference(brain, full, f"{epoch}_accuracy") for epoch in ("best", "last")}
    table = pd.concat(found, names=["accuracy at"]).reset_index("accuracy at").sort_index(kind="stable")
    return titled(table.rename(columns={"gain": "difference"})[DIFFERENCE])


def by_epochs(records: Sequence[Record]) -> pd.DataFrame:
    """Accuracy in percent with few and with many epochs, one row per noise, method and number of epochs.

    Beside the accuracy at the epoch that the noisy validation loss ``stops at`` (the median) stands the ``highest`` of
    any epoch, which nobody can choose without clean labels.
    The title of a method does not repeat the source of its T where all corrections have the true one.
    """
    table = as_table(records).assign(epochs=[r.trial.settings.epochs for r in records])
    arm = ["noise", "method", "transition", "epochs"]
    table["highest"] = [max(r.history["clean_test_accuracy"]) for r in records]
    cells = table.groupby(arm, sort=False)
    told = cells[["best_accuracy", "highest", "last_accuracy"]].agg(spread)
    told.insert(0, "stops at", cells["best_epoch"].median())
    told = told.assign(seconds=cells["seconds"].median(), n=cells.size()).reset_index()
    return titled(told.assign(transition="") if told["transition"].isin(["", "true"]).all() else told)


def estimators(result: Mapping[str, Any]) -> pd.DataFrame:
    """Seconds and extra memory of each estimator on each input, beside cleanlab's where it reads probabilities.

    Args:
        result: what `benchmarks/estimators.py` wrote.

    Returns:
        One row per input and estimator: median seconds, their ratio to cleanlab's (NaN from features), and
        the largest extra memory as a share of the input.
    """
    rows = []
    for case in result["cases"]:
        shape = f"{case['n_samples']:,} × {case['width']:,} {case['dtype']}"
        medians = {name: float(np.median(each["seconds"])) for name, each in case["estimators"].items()}
        for name, seconds in medians.items():
            memory = case["estimators"][name]["peak_bytes"] / case["input_bytes"]
            rows.append([shape, name, seconds, seconds / medians.get("cleanlab", np.nan), memory])
    return pd.DataFrame(rows, columns=["input", "estimator", "seconds", "× cleanlab's", "memory"])


def by_chapter(records: Mapping[str, Sequence[Record]]) -> pd.DataFrame:
    """Trials and core-hours of each chapter; a trial that chapters share counts for the first of them.

    Args:
        records: chapter to the records that it asks for.
    """
    seen: set[str] = set()
    rows = []
    for chapter, found in records.items():
        new = {r.trial.key: r.seconds for r in found if r.trial.key not in seen}
        seen |= new.keys()
        rows.append([chapter, len(found), len(new), sum(new.values()) / 3600])
    table = pd.DataFrame(rows, columns=["chapter", "trials read", "trials of its own", "core-hours"])
    total = ["all", table["trials read"].sum(), table["trials of its own"].sum(), table["core-hours"].sum()]
    return pd.concat([table, pd.DataFrame([total], columns=table.columns)], ignore_index=True)


def by_method(records: Sequence[Record], find: Callable[[Trial], Record | None]) -> pd.DataFrame:
    """What one training by each method costs, one row per network, method and source of T.

    Args:
        records: of any trials.
        find: a trial's record, such as `Ledger.find`.

    Returns:
        Columns ``epochs``, of the trial, and in seconds the medians of ``alone`` and ``in all``, with the trials
        that it is given weights or an estimated T by.

    Raises:
        InputError: there are no records.
    """
    if not records:
        raise InputError("No trial of these noises and models is on record; name those of the chapter `methods`.")

    def before(asked: Trial) -> float:
        needed = asked.prerequisite()
        found = find(needed) if needed else None
        return found.seconds + before(found.trial) if found else 0.0

    table = as_table(records).assign(epochs=[r.trial.settings.epochs for r in records])
    table["in all"] = table["seconds"] + [before(record.trial) for record in records]
    cells = table.groupby(["model", "method", "transition"], sort=False)
    return cells[["epochs", "seconds", "in all"]].median().rename(columns={"seconds": "alone"}).reset_index()


def efficiency(scaling: Mapping[str, Any]) -> float:
    """How much of a worker's rate is left when there is one per core: 1 if they don't disturb each other."""
    sizes, seconds = scaling["workers"]["sizes"], scaling["workers"]["seconds"]
    return seconds[sizes.index(1)] / seconds[sizes.index(max(sizes))]


def dask_overhead(scaling: Mapping[str, Any]) -> float:
    """How much longer a sweep takes on Dask than on the local pool, as a fraction, by medians of interleaved rounds."""
    seconds = scaling["local and dask"]
    return float(np.median(seconds["dask"]) / np.median(seconds["local"]) - 1)
