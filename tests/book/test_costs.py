import dataclasses

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from labelnoise.book import cost_figures, costs
from labelnoise.trials import _trial as trials

matplotlib.use("agg")


def rounds(*values):
    names = ("loader-0", "loader-2", "one", "all")
    return [dict(zip(names, row, strict=True)) for row in values]


THROUGHPUT = {
    "cores": 2,
    "settings": {name: {"batch_size": 256, "precision": "bfloat16"} for name in ("lenet", "alexnet")},
    "operations_an_image": {"lenet": 1e6, "alexnet": 5e7},
    "peak": {"float32-1": 1e11, "float32-2": 2e11, "bfloat16-1": 5e11, "bfloat16-2": 1e12},
    "rounds": {
        "lenet": rounds((1000, 2000, 5000, 9000), (3000, 1000, 6000, 10000), (900, 2100, 7000, 12000)),
        "alexnet": rounds((800, 700, 2000, 4000), (900, 600, 2500, 4100), (1000, 500, 2100, 4200)),
    },
}


def test_throughput_stands_beside_the_better_loader():
    table = costs.throughput_summary(THROUGHPUT).set_index(["network", "way"])
    assert table["images per second"].tolist() == [2000, 6000, 10000, 900, 2100, 4100]
    assert table.loc["LeNet", "times (a)"].tolist() == [1, 3, 5]
    assert table.loc["AlexNet", "times (a)"].tolist() == pytest.approx([1, 2100 / 900, 4100 / 900])
    # images per second times operations per image, over the peak of the precision and number of threads
    assert table.loc["LeNet", "% of peak"].tolist() == pytest.approx([1.0, 1.2, 1.0])
    assert table.loc["AlexNet", "% of peak"].tolist() == pytest.approx([22.5, 21.0, 20.5])


def test_the_profile_has_every_kind_and_puts_the_dearest_first():
    result = {"milliseconds": {"lenet": {"plain": {"a": 1.0, "b": 5.0}, "ours": {"b": 2.0, "c": 4.0}}}}
    table = costs.profile(result)
    assert table.columns.tolist() == ["b", "c", "a"]
    assert table.loc[("LeNet", "plain")].tolist() == [5, 0, 1]
    assert table.loc[("LeNet", "ours")].tolist() == [2, 4, 0]


@pytest.fixture(scope="module")
def trained(tiny, made_up):
    """Makes a record with these accuracies at the best and the last epoch, other settings as given."""

    def make(seed, best, last, seconds=1.0, **changes):
        settings = dataclasses.replace(tiny().settings, **changes.pop("settings", {}))
        asked = tiny(seed=seed, settings=settings, **changes)
        record = made_up(asked, seconds=seconds)
        return dataclasses.replace(record, history={**record.history, "clean_test_accuracy": [best, last]})

    return make


def test_precisions_are_compared_by_seed(trained):
    records = [
        trained(seed, 0.9 + bonus + seed / 100, 0.8 + 2 * bonus + seed / 50, settings={"precision": name})
        for seed in (2, 0, 1)
        for name, bonus in (("bfloat16", 0.01), ("float32", 0.0))
    ]
    table = costs.precision_difference(records).set_index("accuracy at")
    for epoch, difference in (("best epoch", 1.0), ("last epoch", 2.0)):
        row = table.loc[epoch]
        assert (row["difference"], row["low"], row["high"]) == pytest.approx((difference,) * 3)
        assert row["n"] == 3


def test_the_common_loop_is_compared_by_seed_at_the_last_epoch(made_up):
    def published(model, seed, last, **changes):
        asked = trials.trial(model=model, noise="paper-0.5", method="cross-entropy", seed=seed)
        record = made_up(dataclasses.replace(asked, **changes))
        return dataclasses.replace(record, history={**record.history, "clean_test_accuracy": [0.5, last]})

    records = [published("lenet", seed, 0.9 + seed / 100) for seed in (1, 0)] + [published("alexnet", 0, 0.1)]
    # other noise, other images: none of these was what (a) was run for
    records += [published("lenet", 0, 0.3, noise="paper-0.6"), published("lenet", 0, 0.3, images=600)]
    result = {"noise": "paper-0.5", "last_accuracy": {"lenet": [0.89, 0.9, 0.2], "alexnet": [0.2]}}
    table = costs.loader_difference(result, records).set_index("network")
    assert table.loc["LeNet", ["difference", "low", "high", "n"]].tolist() == pytest.approx([1, 1, 1, 2])
    assert table.loc["AlexNet", "difference"] == pytest.approx(-10)
    assert table["noise"].tolist() == ["“0.5”"] * 2
    assert costs.loader_difference(result, []).empty


def test_accuracy_by_epochs_keeps_them_apart(trained):
    records = [
        trained(seed, 0.8 + epochs / 100, 0.7, seconds=epochs, settings={"epochs": epochs})
        for epochs in (8, 2)
        for seed in range(3)
    ]
    table = costs.by_epochs(records).set_index("epochs")
    assert table["best epoch"].to_dict() == {8: "88.0 ± 0.0", 2: "82.0 ± 0.0"}
    assert table["seconds"].to_dict() == {8: 8, 2: 2}
    assert (table["n"] == 3).all()


def test_beside_where_validation_stops_stands_the_highest_accuracy_of_any_epoch(made_up, tiny):
    def run(seed, best_epoch):
        history = {
            "noisy_train_loss": [1.0] * 3, "noisy_validation_loss": [1.0] * 3, "noisy_validation_accuracy": [0.4] * 3,
            "clean_test_accuracy": [0.7, 0.9, 0.6], "memorised": [0.1] * 3,
        }  # fmt: skip
        return made_up(tiny(seed=seed), history=history, best_epoch=best_epoch)

    (row,) = costs.by_epochs([run(0, 0), run(1, 2), run(2, 2)]).to_dict("records")
    assert row["stops at"] == 3
    assert (row["highest"], row["last epoch"]) == ("90.0 ± 0.0", "60.0 ± 0.0")
    assert row["best epoch"].startswith("63.3")


def test_a_trial_that_chapters_share_is_paid_once(made_up, tiny):
    a, b, c = (made_up(tiny(seed=seed), seconds=1800.0) for seed in range(3))
    table = costs.by_chapter({"x": [a, b], "y": [b, c], "z": []}).set_index("chapter")
    assert table["trials of its own"].to_dict() == {"x": 2, "y": 1, "z": 0, "all": 3}
    assert table["core-hours"].to_dict() == {"x": 1.0, "y": 0.5, "z": 0.0, "all": 1.5}


SCALING = {
    "trials": {"sizes": [2, 4], "seconds": [1.0, 2.0], "exponent": 1.0},
    "workers": {"sizes": [1, 2], "seconds": [9.0, 10.0], "exponent": 0.1},
    "local and dask": {"local": [40.0, 50.0, 60.0], "dask": [70.0, 51.0, 41.0]},
}


def test_estimators_stand_beside_cleanlab():
    taken = {"cleanlab": ([2.0, 4.0, 3.0], 50), "anchor-max": ([0.3, 0.2, 9.0], 100)}
    found = {name: {"seconds": seconds, "peak_bytes": peak} for name, (seconds, peak) in taken.items()}
    alone = {"hoc": {"seconds": [5.0], "peak_bytes": 300}}
    shape = {"n_samples": 1000, "width": 10, "dtype": "float32", "input_bytes": 200}
    table = costs.estimators({"cases": [{**shape, "estimators": found}, {**shape, "estimators": alone}]})
    assert table["input"].unique().tolist() == ["1,000 × 10 float32"]
    assert table["seconds"].tolist() == [3.0, 0.3, 5.0]
    assert table["× cleanlab's"].tolist() == pytest.approx([1.0, 0.1, np.nan], nan_ok=True)
    assert table["memory"].tolist() == [0.25, 0.5, 1.5]


def test_efficiency_is_the_share_of_the_rate_that_is_left():
    assert costs.efficiency(SCALING) == pytest.approx(0.9)


def test_the_overhead_is_of_medians():
    assert costs.dask_overhead(SCALING) == pytest.approx(0.02)


def test_figures_draw_what_they_are_given():
    bars = cost_figures.throughput(costs.throughput(THROUGHPUT))
    assert isinstance(bars, Figure)
    assert [[p.get_width() for p in ax.patches] for ax in bars.axes] == [[2000, 6000, 10000], [900, 2100, 4100]]
    spent = {"lenet": {"x": {"a": 3.0, "b": 1.0}, "y": {"a": 4.0, "b": 2.0}}}
    stacked = cost_figures.profile(costs.profile({"milliseconds": spent}))
    ends = [(p.get_x(), p.get_width()) for p in stacked.axes[0].patches]
    assert ends == [(0, 3), (0, 4), (3, 1), (4, 2)]
    lines = cost_figures.scaling(SCALING, {"trials": ["trials"]}).axes[0]
    assert np.array_equal(lines.lines[0].get_xydata(), [[2, 1], [4, 2]])
    assert (lines.get_xscale(), lines.get_yscale()) == ("log", "log")
    assert "exponent 1.00" in lines.get_legend().get_texts()[0].get_text()
