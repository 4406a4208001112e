import dataclasses
import io
import re

import matplotlib
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure

from labelnoise import names, transitions
from labelnoise.book import (
    figures,
    glance,
    heatmaps,
    matrix_figures,
    matrix_tables,
    rule_figures,
    style,
    tables,
    titles,
    tuning_tables,
)
from labelnoise.book.drawn import as_csv
from labelnoise.statistics import interval
from labelnoise.trials import tuning

matplotlib.use("agg")

ARMS = [("cross-entropy", None), ("forward", "true"), ("forward", "anchor-97")]
NOISES = ["paper-0.5", "paper-0.6"]
JUDGED = ["verdict", "told", "right"]
NAMES = {3: ["T-shirt/top", "Trouser", "Dress"], 10: [f"class {i}" for i in range(10)]}


@pytest.fixture(scope="module")
def records(tiny, made_up):
    """Made-up records whose accuracies and errors depend on network, noise, method and seed."""

    def make(seeds, noises=NOISES, models=("lenet", "alexnet")):
        found = []
        for model in models:
            for noise in noises:
                for k, (method, transition) in enumerate(ARMS):
                    for seed in range(seeds):
                        trial = tiny(model=model, noise=noise, method=method, transition=transition, seed=seed)
                        start = 0.6 + 0.05 * k - 0.02 * len(found) / 100
                        history = {
                            "noisy_train_loss": [1.1, 1.0, 0.9],
                            "noisy_validation_loss": [1.0, 0.9, 1.1],
                            "noisy_validation_accuracy": [0.4, 0.5, 0.4],
                            "clean_test_accuracy": [start, start + 0.1 + 0.01 * seed, start + 0.05],
                            "memorised": [0.1, 0.2, 0.3 + 0.01 * seed],
                        }
                        truth = names.named(noise, 3)
                        matrices = {
                            name: ((1 - w) * truth + w * np.eye(3)).tolist()
                            for name, w in (("oracle", 0.01 + 0.001 * seed), ("anchor-97", 0.1 + 0.02 * seed**2))
                        }
                        found.append(made_up(trial, history=history, best_epoch=1, transition_matrices=matrices))
        return found

    return make


def images(n_classes, columns=3):
    generator = torch.Generator().manual_seed(0)
    labels = np.arange(4 * n_classes) % n_classes
    pixels = torch.randint(0, 256, (len(labels), 1, 28, 28), dtype=torch.uint8, generator=generator)
    return figures.image_grid(pixels, labels, np.roll(labels, 1), NAMES[n_classes], columns=columns)


def of_matrices(n_classes, difference=False):
    matrix = transitions.symmetric(n_classes, 0.3)
    shift = matrix if difference else 0
    rows = {"first": {"true": matrix - shift, "estimated": np.eye(n_classes) - shift}, "second": {"true": matrix}}
    return heatmaps.transition_heatmaps(rows, NAMES[n_classes], difference=difference)


def probabilities(n_classes, noises):
    spread = np.linspace(-0.05, 0.05, 5)
    truths = {noise: transitions.symmetric(n_classes, 0.3) for noise in noises}
    quantiles = {noise: truth[..., None] + spread for noise, truth in truths.items()}
    return matrix_figures.predicted_probabilities(quantiles, truths, NAMES[n_classes])


def tried_arm(model="lenet", noise="paper-0.5", method="forward", transition="true"):
    """An arm with three tries, 0, 1 and 20 millinats from the best, the second of them the protocol's."""
    arm = tuning.Arm("fashion-mnist-3", noise, model, method, transition)
    first = tuning.untuned(arm)
    other = [dataclasses.replace(first, settings=dataclasses.replace(first.settings, epochs=n)) for n in (5, 6)]
    return {arm: [(other[0], 1.0), (first, 1.001), (other[1], 1.02)]}


TRIED = {
    **tried_arm(), **tried_arm(noise="paper-0.6"), **tried_arm(method="mixup", transition=None),
    **tried_arm(model="alexnet"),
}  # fmt: skip


SETTLED = {arm: tries[0][0] if arm.noise == "paper-0.6" else tries[1][0] for arm, tries in TRIED.items()}


def parts(seeds):
    """Accuracies of a recipe and of what is left of it."""
    rows = [
        {
            "noise": noise,
            "part": part,
            "training": "modern",
            "seed": seed,
            "last_accuracy": 0.9 + 0.01 * seed - 0.02 * k,
        }
        for noise in NOISES
        for k, part in enumerate(("whole", "without the graph"))
        for seed in range(seeds)
    ]
    return pd.DataFrame(rows)


def at_a_glance(made):
    """The rows of forward correction, and of cross-entropy as a ceiling, with the names of dots."""
    table = tables.as_table(made)
    forward = table[table["method"] == "forward"].assign(name="corrected")
    return pd.concat([forward, table[table["method"] == "cross-entropy"].assign(noise="clean", name="limit")])


DRAWINGS = {
    "images of 3 classes": lambda records: images(3),
    "images of 10 classes": lambda records: images(10, columns=1),
    "heatmaps of 3 classes": lambda records: of_matrices(3),
    "a heatmap of 10 classes": lambda records: heatmaps.transition_heatmaps({"": {"a": np.eye(10)}}, NAMES[10]),
    "differences": lambda records: of_matrices(3, difference=True),
    "probabilities of 3 classes": lambda records: probabilities(3, NOISES),
    "probabilities of 10 classes": lambda records: probabilities(10, ["symmetric-0.3"]),
    "errors": lambda records: matrix_figures.estimation_errors(
        matrix_tables.matrix_errors(records(3)), ["oracle", "anchor-97"]
    ),
    "errors of one seed": lambda records: matrix_figures.estimation_errors(
        matrix_tables.matrix_errors(records(1, NOISES[:1])), ["oracle"]
    ),
    "curves": lambda records: figures.accuracy_curves(tables.as_curves(records(3, NOISES, ["lenet"]))),
    "curves of one seed": lambda records: figures.accuracy_curves(tables.as_curves(records(1, ["clean"], ["lenet"]))),
    "rates": lambda records: figures.error_against_rate(
        tables.by_rate(tables.as_table(records(3, ["clean", "symmetric-0.2", "pair-flip-0.2"], ["alexnet"])))
    ),
    "rates of one seed": lambda records: figures.error_against_rate(
        tables.by_rate(tables.as_table(records(1, ["symmetric-0.2"])))
    ),
    "gains": lambda records: figures.gains(tables.gains(tables.as_table(records(3)))),
    "gains by margin": lambda records: rule_figures.gains_by_margin(
        {
            noise: pd.DataFrame(
                [
                    ["here", "fashion-mnist-3", "lenet", noise, "forward", "true", seed, 0.1 + 0.2 * seed, seed - 1.0]
                    for seed in (0, 4)
                ],
                columns=["training", "dataset", *tables.ARM_COLUMNS, "seed", "margin", "gain"],
            )
            for noise in ("paper-0.5", "instance-0.2")
        },
        0.3,
    ),
    "predicted gains": lambda records: rule_figures.predicted_gains(
        foretold([("paper-0.5", 0, -1, 0.0, "can't tell", False, False), ("paper-0.5", 0, 3, 4.0, "gain", True, True)])
    ),
    "tries": lambda records: figures.tries(tuning_tables.tries(TRIED, SETTLED)),
    "at a glance": lambda records: glance.at_a_glance(at_a_glance(records(3))),
    "runs": lambda records: glance.runs(parts(3), "part"),
    "runs of one seed in two trainings": lambda records: glance.runs(
        pd.concat([parts(1), parts(1).assign(training="plain")]), "part", limits={"plain": 95.0}
    ),
    "gains of one seed": lambda records: figures.gains(tables.gains(tables.as_table(records(1)))),
}
every = pytest.mark.parametrize("draw", DRAWINGS.values(), ids=DRAWINGS)


def png(figure):
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=30)
    return file.getvalue()


@every
def test_a_drawing_is_a_figure_with_its_data_and_leaves_no_trace(draw, records):
    before = dict(matplotlib.rcParams)
    figure = draw(records)
    assert isinstance(figure, Figure)
    assert png(figure).startswith(b"\x89PNG")
    assert matplotlib.pyplot.get_fignums() == []
    lines = as_csv(figure.drawn).splitlines()
    assert len(lines) == len(figure.drawn) + 1 > 1
    assert dict(matplotlib.rcParams) == before


def foretold(rows):
    """Runs of one cell: lead, gain, what was foretold, and whether a verdict is given and right."""
    same = ["here", "fashion-mnist-3", "lenet"]
    return pd.DataFrame(
        [[*same, noise, "forward", "true", seed, *row] for seed, (noise, *row) in enumerate(rows)],
        columns=["training", "dataset", *tables.ARM_COLUMNS, "seed", "margin", "gain", "predicted", *JUDGED],
    )


def test_cells_far_from_zero_are_named_and_no_others():
    rows = foretold([("instance-0.4", 0.2, -9, 0, "", False, False), ("paper-0.5", 0.2, 0.5, 0, "", False, False)])
    other = rows.assign(training="there", gain=[0.1, 20])
    alone, both = (
        [t.get_text() for t in rule_figures.gains_by_margin({"a": panel}, 0.3).axes[0].texts if "," in t.get_text()]
        for panel in (rows, pd.concat([rows, other]))
    )
    assert alone == ["LeNet, instance 0.4"]
    assert both == ["LeNet, instance 0.4, here", "LeNet, “0.5”, there"]


def test_a_wrong_verdict_is_a_cross_whatever_the_colours():
    rows = foretold([
        ("paper-0.5", 0, 5, 4, "gain", True, True), ("instance-0.4", 0, 6, -4, "loss", True, False),
        ("paper-0.5", 0, 0.1, 0.2, "can't tell", False, False),
    ])  # fmt: skip
    (ax,) = rule_figures.predicted_gains(rows).axes
    drawn = {line.get_marker(): line.get_xydata().tolist() for line in ax.get_lines() if len(line.get_xdata()) == 1}
    assert drawn == {"o": [[4, 5]], "x": [[-4, 6]], ".": [[0.2, 0.1]]}
    shown = [text.get_text() for text in ax.figure.legends[0].get_texts()]
    assert shown == ["no verdict (1)", "right (1)", "wrong (1)", "noise by image"]


def test_two_drawings_of_different_data_differ(records):
    curves = tables.as_curves(records(1, ["clean"], ["lenet"]))
    assert png(figures.accuracy_curves(curves)) != png(figures.accuracy_curves(curves.assign(clean_test_accuracy=0.5)))


def meshes(figure):
    return [ax.collections[0] for ax in figure.axes if ax.collections]


def test_heatmaps_of_one_call_share_one_scale_from_zero_to_one():
    assert [mesh.get_clim() for mesh in meshes(of_matrices(3))] == [(0, 1)] * 3


def test_differences_share_one_scale_around_zero():
    assert [mesh.get_clim() for mesh in meshes(of_matrices(3, difference=True))] == [(-0.2, 0.2)] * 3


@pytest.mark.parametrize(("difference", "scale"), [(True, (-0.5, 0.5)), (False, (0, 0.5))])
def test_the_end_of_the_scale_can_be_set(difference, scale):
    drawn = heatmaps.transition_heatmaps({"": {"a": np.eye(3)}}, NAMES[3], difference=difference, limit=0.5)
    assert [mesh.get_clim() for mesh in meshes(drawn)] == [scale]


def test_heatmaps_show_the_matrix_with_clean_classes_as_rows_and_print_its_entries():
    matrix = np.array(names.PAPER["paper-0.5"])
    (ax,) = heatmaps.transition_heatmaps({"": {"true T": matrix}}, NAMES[3]).axes
    np.testing.assert_array_equal(ax.collections[0].get_array(), matrix)
    printed = {(t.get_position()[1] - 0.5, t.get_position()[0] - 0.5): float(t.get_text()) for t in ax.texts}
    assert printed == {(i, j): matrix[i, j] for i in range(3) for j in range(3)}
    low, high = ax.get_ylim()
    assert low > high  # row 0 is at the top
    assert [label.get_text() for label in ax.get_yticklabels()] == NAMES[3]
    assert [label.get_text() for label in ax.get_xticklabels()] == NAMES[3]
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("clean label", "noisy label")


def test_differences_are_printed_with_their_sign():
    (ax,) = heatmaps.transition_heatmaps({"": {"a": np.diag([0.1, -0.1, 0])}}, NAMES[3], difference=True).axes
    assert ax.texts[0].get_text() == "+0.10"
    assert re.fullmatch("[-\N{MINUS SIGN}]0.10", ax.texts[4].get_text())


def test_entries_are_printed_for_ten_classes_but_not_for_thirteen():
    few = heatmaps.transition_heatmaps({"": {"a": np.eye(10)}}, NAMES[10])
    assert [len(ax.texts) for ax in few.axes] == [100]
    many = heatmaps.transition_heatmaps({"": {"a": np.eye(13)}}, list(map(str, range(13))))
    assert [len(ax.texts) for ax in many.axes] == [0]


def test_images_stand_in_the_row_of_their_clean_class_titled_with_their_noisy_label():
    figure = images(3)
    grid = np.array(figure.axes).reshape(3, 3)
    assert [ax.get_ylabel() for ax in grid[:, 0]] == NAMES[3]
    assert [[ax.get_title() for ax in row] for row in grid] == [[NAMES[3][(i - 1) % 3]] * 3 for i in range(3)]


def test_a_wrong_label_is_red_and_a_right_one_grey():
    pixels = torch.zeros(2, 1, 28, 28, dtype=torch.uint8)
    figure = figures.image_grid(pixels, np.array([0, 1]), np.array([1, 1]), ["a", "b"], columns=1)
    assert [ax.title.get_color() for ax in figure.axes] == [style.legible(style.PALETTE[3]), "0.4"]


def lines_at(ax, marker):
    """The x and y of every line with this marker."""
    return [line.get_xydata().tolist() for line in ax.get_lines() if line.get_marker() == marker]


def test_probabilities_show_the_median_and_the_true_matrix():
    truth = np.array(names.PAPER["paper-0.5"])
    quantiles = truth[..., None] + np.array([-0.2, -0.1, 0.01, 0.1, 0.2])
    (ax,) = matrix_figures.predicted_probabilities({"paper-0.5": quantiles}, {"paper-0.5": truth}, NAMES[3]).axes
    assert [y for ((_, y),) in lines_at(ax, "_")] == truth.ravel().tolist()
    assert [y for ((_, y),) in lines_at(ax, "o")] == quantiles[..., 2].ravel().tolist()
    bars = [line.get_ydata().tolist() for line in ax.get_lines() if len(line.get_xdata()) == 2]
    assert bars[::2] == quantiles[..., [0, 4]].reshape(-1, 2).tolist()
    assert bars[1::2] == quantiles[..., [1, 3]].reshape(-1, 2).tolist()
    assert [round(x) for ((x, _),) in lines_at(ax, "o")] == [0, 0, 0, 1, 1, 1, 2, 2, 2]  # grouped by clean class


def test_errors_show_every_seed_the_mean_and_its_interval(records):
    table = matrix_tables.matrix_errors(records(4, models=["lenet"]))
    figure = matrix_figures.estimation_errors(table, ["oracle", "anchor-97"])
    for ax, noise in zip(figure.axes, NOISES, strict=True):
        assert ax.get_title() == titles.noise_title(noise)
        assert ax.get_xscale() == "log"
        for k, name in enumerate(["oracle", "anchor-97"]):
            values = table.loc[(table["noise"] == noise) & (table["estimator"] == name), "l1"].tolist()
            summary = interval(values)
            assert [x for x, _ in lines_at(ax, "o")[k]] == values
            assert lines_at(ax, "D")[k] == [[pytest.approx(summary.mean), k + 0.2]]
            limit, *bars = [line.get_xdata() for line in ax.get_lines() if line.get_marker() == "None"]
            assert bars[k].tolist() == pytest.approx([summary.low, summary.high])
        oracle = table.loc[(table["noise"] == noise) & (table["estimator"] == "oracle"), "l1"]
        assert list(limit) == pytest.approx([oracle.mean()] * 2)


def test_errors_stand_in_one_order_the_oracle_first_and_then_the_smallest():
    rows = [(noise, name, seed, error) for noise in NOISES for seed in (0, 1)
            for name, error in (("anchor-max", 0.3), ("oracle", 0.2), ("dual-t", 0.1))]  # fmt: skip
    table = pd.DataFrame(rows, columns=["noise", "estimator", "seed", "l1"])
    figure = matrix_figures.estimation_errors(table, ["anchor-max", "oracle", "dual-t"])
    said = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert said == [titles.source_title(name) for name in ("oracle", "dual-t", "anchor-max")]


def test_curves_show_every_seed_and_the_mean(records):
    curves = tables.as_curves(records(3))
    for measure in ("clean_test_accuracy", "memorised"):
        figure = figures.accuracy_curves(curves, measure, "some label")
        cells = [(model, noise) for model in ("lenet", "alexnet") for noise in NOISES]
        for ax, (model, noise) in zip(figure.axes, cells, strict=True):
            assert ax.get_title() == f"{titles.MODEL_TITLES[model]}, {titles.noise_title(noise)}, n = 3"
            drawn = [line.get_xydata() for line in ax.get_lines()]
            cell = curves[(curves["model"] == model) & (curves["noise"] == noise)]
            for k, (method, transition) in enumerate(ARMS):
                arm = cell[(cell["method"] == method) & (cell["transition"] == (transition or ""))]
                seeds = [100 * group[measure].to_numpy() for _, group in arm.groupby("seed")]
                *thin, mean = drawn[4 * k : 4 * k + 4]
                np.testing.assert_allclose([line[:, 1] for line in thin], seeds)
                np.testing.assert_allclose(mean, np.column_stack([[1, 2, 3], np.mean(seeds, axis=0)]))
        assert figure.axes[0].get_ylabel() == "some label"
        for ax in figure.axes[1::2]:  # the last of each row
            ends = [line.get_ydata()[-1] for line in ax.get_lines()[3::4]]
            names = [titles.method_title(*ARMS[k]) if k else "cross-entropy" for k in np.argsort(ends, kind="stable")]
            heights = [text.xy[1] for text in ax.texts]
            assert [text.get_text() for text in ax.texts] == names
            assert min(np.diff(heights)) > 0.07 * np.ptp(ax.get_ylim())


def test_settled_curves_fill_their_panel_and_tell_where_they_end(records):
    curves = tables.as_curves(records(5, NOISES, ["lenet"]))
    curves.loc[curves["epoch"] == 1, "clean_test_accuracy"] = 0.1
    figure = figures.accuracy_curves(curves, settled=2)
    for ax, noise in zip(figure.axes, NOISES, strict=True):
        late = 100 * curves.loc[(curves["noise"] == noise) & (curves["epoch"] > 1), "clean_test_accuracy"]
        low, high = ax.get_ylim()
        assert 10 < low < late.median() < high
        assert high - low < 2 * np.ptp(late)
        reached = [line.get_ydata()[-1] for line in ax.get_lines()[5::6]]
        assert [text.get_text().split()[0] for text in ax.texts] == [f"{value:.1f}" for value in sorted(reached)]
    last = curves[curves["epoch"] == 1]
    assert figures.accuracy_curves(last, settled=2).axes  # of fewer epochs than that


def test_limits_stand_beside_the_curves_of_their_noise(records):
    limits = pd.DataFrame([["paper-0.6", "clean labels", 0.96]], columns=["noise", "name", "value"])
    figure = figures.accuracy_curves(tables.as_curves(records(2, NOISES, ["lenet"])), limits=limits)
    dotted = [[line.get_ydata() for line in ax.get_lines() if line.get_linestyle() == ":"] for ax in figure.axes]
    assert dotted == [[], [[96, 96]]]
    assert figure.axes[1].texts[-1].get_text() == "clean labels"


def test_trainings_of_several_lengths_stand_at_their_epochs_with_what_they_end_with(tiny, made_up):
    def of_length(epochs, last, seed):
        settings = dataclasses.replace(tiny().settings, epochs=epochs)
        history = dict.fromkeys(("noisy_train_loss", "noisy_validation_loss", "memorised"), [1.0] * epochs)
        history |= {"noisy_validation_accuracy": [0.4] * epochs, "clean_test_accuracy": [0.1] * (epochs - 1) + [last]}
        return made_up(tiny(settings=settings, seed=seed), history=history)

    ends = tables.as_ends([of_length(2, 0.5, 0), of_length(2, 0.7, 1), of_length(20, 0.9, 0), of_length(20, 0.9, 1)])
    (ax,) = figures.by_length(ends).axes
    assert ax.get_xscale() == "log"
    assert [label.get_text() for label in ax.get_xticklabels()] == ["2", "20"]
    np.testing.assert_allclose(ax.get_lines()[-1].get_xydata(), [[2, 60], [20, 90]])


def test_rates_show_each_seed_and_the_mean_error_at_their_rate(records):
    table = tables.as_table(records(3, ["symmetric-0.2", "symmetric-0.6", "symmetric-0.4"], ["lenet"]))
    table = tables.by_rate(table)
    for accuracy in ("best_accuracy", "last_accuracy"):
        (ax,) = figures.error_against_rate(table, accuracy).axes
        assert ax.get_title() == "LeNet, symmetric, n = 3"
        assert ax.get_xticks().tolist() == [0.2, 0.4, 0.6]
        lines = [line.get_xydata().T for line in ax.get_lines()]
        for k, (method, transition) in enumerate(ARMS):
            arm = table[(table["method"] == method) & (table["transition"] == (transition or ""))]
            (rates, errors), (x, means) = lines[2 * k], lines[2 * k + 1]
            np.testing.assert_allclose(rates, arm["rate"], atol=0.02)  # side by side
            np.testing.assert_allclose(errors, 100 - 100 * arm[accuracy])
            np.testing.assert_allclose(x, [0.2, 0.4, 0.6], atol=0.02)
            np.testing.assert_allclose(means, (100 - 100 * arm[accuracy]).groupby(arm["rate"]).mean())


def test_errors_that_differ_by_rounding_alone_have_an_axis(records):
    table = tables.by_rate(tables.as_table(records(3, ["symmetric-0.2", "symmetric-0.6"], ["lenet"])))
    table["last_accuracy"] = np.where(table["seed"] == 0, 0.7, np.nextafter(0.7, 1))
    (ax,) = figures.error_against_rate(table).axes
    low, high = ax.get_ylim()
    assert low < 30 < high


def test_gains_show_every_row_with_its_interval_beside_zero(records):
    rows = tables.gains(tables.as_table(records(3)))
    rows["corrected"] = np.where(rows["model"] == "lenet", 0.04, 0.06)
    drawn = figures.gains(rows)
    panels = {ax.get_title(): ax for ax in drawn.axes}
    assert list(panels) == ["LeNet, “0.5”", "LeNet, “0.6”", "AlexNet, “0.5”", "AlexNet, “0.6”"]
    arms = [titles.method_title("forward", "true"), titles.method_title("forward", "anchor-97")]
    assert [label.get_text() for label in drawn.axes[0].get_yticklabels()] == arms
    for title, ax in panels.items():
        cell = rows[rows["model"].map(titles.MODEL_TITLES) + ", " + rows["noise"].map(titles.noise_title) == title]
        assert ax.get_lines()[0].get_xdata() == [0, 0]
        dots = [line for line in ax.get_lines() if line.get_marker() == "o"]
        bars = [line.get_xdata().tolist() for line in ax.get_lines()[1:] if line.get_marker() == "None"]
        assert [line.get_xydata()[0].tolist() for line in dots] == [[gain, k] for k, gain in enumerate(cell["gain"])]
        assert bars == cell[["low", "high"]].to_numpy().tolist()
        assert all((line.get_markerfacecolor() != "white") == title.startswith("LeNet") for line in dots)


def test_failed_runs_of_one_panel_leave_the_scales_of_the_others_alone(records):
    rows = tables.gains(tables.as_table(records(3)))
    before = [ax.get_xlim() for ax in figures.gains(rows).axes]
    rows.loc[rows.index[-1], ["gain", "low"]] = [-40, -100]
    *others, failed = figures.gains(rows).axes
    assert [ax.get_xlim() for ax in others] == before[:-1]
    assert failed.get_xlim()[0] > -20
    assert [text.get_text() for text in failed.texts] == ["◂ -40"]
    *_, whole = figures.gains(rows, logarithmic=True).axes
    assert whole.get_xlim()[0] < -100
    assert not whole.texts


def test_each_network_has_its_own_arms(records):
    table = tables.as_table(records(3))
    rows = tables.gains(table[(table["model"] == "lenet") | (table["transition"] != "anchor-97")])
    drawn = figures.gains(rows)
    labels = {ax.get_title(): len(ax.get_yticks()) for ax in drawn.axes}
    assert labels == {"LeNet, “0.5”": 2, "LeNet, “0.6”": 2, "AlexNet, “0.5”": 1, "AlexNet, “0.6”": 1}
    assert {ax.get_xlabel() for ax in drawn.axes[2:]} == {"gain over cross-entropy (points)"}


def test_tries_stand_at_their_distance_to_the_best_and_the_protocol_is_filled():
    drawn = figures.tries(tuning_tables.tries(TRIED, SETTLED))
    panels = {ax.get_title(): ax for ax in drawn.axes}
    lines = panels["LeNet, “0.5”"].get_lines()
    places = [line.get_xydata()[0] for line in lines]
    np.testing.assert_allclose(places, [[0, 0], [1, 0], [20, 0], [0, 1], [1, 1], [20, 1]], atol=1e-6)
    assert [line.get_markerfacecolor() == "none" for line in lines] == [True, False, True] * 2
    colours = {title: [line.get_color() for line in ax.get_lines()] for title, ax in panels.items()}
    blue, orange = style.PALETTE[:2]
    assert colours["LeNet, “0.5”"] == [blue, orange, blue] * 2
    assert colours["LeNet, “0.6”"] == [orange, blue, blue]
    assert len(panels["LeNet, “0.6”"].get_lines()) == len(panels["AlexNet, “0.5”"].get_lines()) == 3
    assert not panels["AlexNet, “0.6”"].get_lines()


def test_every_run_is_shown_and_the_mean_of_each_part():
    drawn = glance.runs(parts(3), "part")
    for ax in drawn.axes:
        seeds, mean = ax.get_lines()[:2]
        np.testing.assert_allclose(seeds.get_xdata(), [90, 91, 92])
        np.testing.assert_allclose(mean.get_xdata(), [91, 91])
    assert [label.get_text() for label in drawn.axes[0].get_yticklabels()] == ["whole", "without the graph"]
    assert [ax.get_title() for ax in drawn.axes] == ["“0.5”, n = 3", "“0.6”, n = 3"]


def test_tables_are_titled_for_readers_and_keep_their_numbers(records):
    table = tables.gains(tables.as_table(records(3)))
    shown = titles.titled(table)
    assert set(shown["network"]) == {"LeNet", "AlexNet"}
    assert set(shown["noise"]) == {"“0.5”", "“0.6”"}
    assert shown["gain"].equals(table["gain"])
    arms = zip(table["method"], table["transition"], strict=True)
    assert shown["method"].tolist() == [titles.method_title(*arm) for arm in arms]
    assert len(shown.columns) == len(table.columns) - 1  # the source of T is in the method's name


@pytest.mark.parametrize(("classes", "a_row"), [(3, 3), (10, 2)])
def test_panels_that_do_not_fit_in_a_row_go_on_in_the_next(classes, a_row):
    n = a_row + 2
    rows = {"x": {str(k): np.eye(classes) for k in range(n)}, "y": {"a": np.eye(classes)}}
    drawn = heatmaps.transition_heatmaps(rows, [str(k) for k in range(classes)])
    shown = [ax for ax in drawn.axes if ax.axison]
    assert [ax.get_title() for ax in shown] == [*(f"x: {k}" for k in range(n)), "y: a"]
    lines = [ax.get_subplotspec().rowspan.start for ax in shown]
    assert lines == [k // a_row for k in range(n)] + [1 + (n - 1) // a_row]
    assert [bool(ax.get_ylabel()) for ax in shown] == [k % a_row == 0 for k in range(n)] + [True]


def test_a_distorted_matrix_is_named_by_its_distortion():
    assert titles.method_title("forward", "true, towards-identity-0.5") == "forward, T towards identity 0.5"
    assert titles.method_title("forward", "true") == "forward, true T"
