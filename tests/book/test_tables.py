import dataclasses

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from labelnoise.book import plans, rule_tables, tables, tuning_tables
from labelnoise.errors import InputError
from labelnoise.trials import tuning

HISTORY = {
    "noisy_train_loss": [1.1, 1.0, 0.9],
    "noisy_validation_loss": [1.0, 0.8, 0.9],
    "noisy_validation_accuracy": [0.4, 0.5, 0.45],
    "clean_test_accuracy": [0.7, 0.8, 0.9],
    "memorised": [0.1, 0.2, 0.3],
}


def test_a_table_has_one_row_per_record_with_what_was_asked_and_measured(tiny, made_up):
    records = [made_up(tiny(seed=7), history=HISTORY, best_epoch=1), made_up(tiny(method="forward", transition="true"))]
    table = tables.as_table(records)
    assert len(table) == 2
    first = table.iloc[0]
    assert first["key"] == tiny(seed=7).key
    assert (first["dataset"], first["noise"], first["model"]) == ("fashion-mnist-3", "paper-0.5", "lenet")
    assert (first["method"], first["transition"], first["seed"]) == ("cross-entropy", "", 7)
    assert first["seconds"] == 1.5
    assert table["transition"].tolist() == ["", "true"]


def test_the_accuracy_at_the_best_epoch_is_neither_the_largest_nor_the_last(made_up):
    (row,) = tables.as_table([made_up(history=HISTORY, best_epoch=1)]).to_dict("records")
    assert row["best_epoch"] == 2  # counted from 1
    assert row["best_accuracy"] == 0.8
    assert row["last_accuracy"] == 0.9
    assert row["noisy_validation_loss"] == 0.8
    assert row["memorised"] == 0.3


@pytest.mark.parametrize(("accuracy", "failed"), [(0.45, True), (0.46, False)])
def test_a_run_failed_if_it_tells_noisy_labels_hardly_better_than_their_most_frequent_one(made_up, accuracy, failed):
    uneven = {"oracle": [[0.8, 0.2, 0.0], [0.3, 0.6, 0.1], [0.2, 0.2, 0.6]]}  # the first is 1.3 / 3 = 0.433 of them
    history = HISTORY | {"noisy_validation_accuracy": [0.9, 0.9, accuracy], "clean_test_accuracy": [0.1, 0.1, 0.1]}
    assert tables.as_table([made_up(history=history, transition_matrices=uneven)])["failed"].tolist() == [failed]


def test_no_run_fails_where_a_perfect_one_would_tell_no_more(made_up):
    crowded = {"oracle": [[0.4, 0.6, 0.0], [0.2, 0.4, 0.4], [0.0, 0.6, 0.4]]}  # 0.4 are right, 0.533 the second label
    history = HISTORY | {"noisy_validation_accuracy": [0.4, 0.4, 0.4], "clean_test_accuracy": [1.0, 1.0, 1.0]}
    assert tables.as_table([made_up(history=history, transition_matrices=crowded)])["failed"].tolist() == [False]


def test_curves_have_one_row_per_record_and_epoch(tiny, made_up):
    records = [made_up(tiny(seed=1), history=HISTORY), made_up(tiny(seed=2, method="forward", transition="true"))]
    curves = tables.as_curves(records)
    assert curves["seed"].tolist() == [1, 1, 1, 2, 2]
    assert curves["epoch"].tolist() == [1, 2, 3, 1, 2]
    assert curves["transition"].tolist() == ["", "", "", "true", "true"]
    assert curves["clean_test_accuracy"].tolist()[:3] == HISTORY["clean_test_accuracy"]
    assert curves.columns.tolist() == [
        "dataset", "noise", "model", "method", "transition", "seed", "epoch", *HISTORY,
    ]  # fmt: skip
    assert curves.index.tolist() == list(range(5))


def with_accuracy(trial, made_up, best, last=None):
    history = {**HISTORY, "clean_test_accuracy": [best, 0.0, best if last is None else last]}
    return made_up(trial, history=history)


def test_gains_are_differences_between_trials_of_one_seed(tiny, made_up):
    plain, corrected = {0: 0.80, 1: 0.70, 2: 0.90, 3: 0.10}, {2: 0.93, 1: 0.75, 0: 0.81, 4: 0.99}
    records = [with_accuracy(tiny(seed=s), made_up, a) for s, a in plain.items()]
    records += [with_accuracy(tiny(seed=s, method="forward", transition="true"), made_up, a)
                for s, a in corrected.items()]  # fmt: skip
    (row,) = tables.gains(tables.as_table(records)).to_dict("records")
    half = 4.302653 * 2 / 3**0.5  # of 1, 5 and 3, whose deviation is 2, by the 0.975 quantile of t with 2 degrees
    assert (row["model"], row["noise"], row["method"], row["transition"]) == ("lenet", "paper-0.5", "forward", "true")
    assert (row["gain"], row["low"], row["high"], row["n"]) == (
        pytest.approx(3), pytest.approx(3 - half), pytest.approx(3 + half), 3,
    )  # fmt: skip


def test_p_values_are_corrected_for_the_rows_of_the_table(tiny, made_up):
    plain = [0.80, 0.70, 0.90, 0.75]
    gained = {"forward": [0.05, 0.06, 0.04, 0.05], "backward": [0.01, -0.01, 0.03, 0.02], "reweighting": [0.02]}
    records = [with_accuracy(tiny(seed=s), made_up, a) for s, a in enumerate(plain)]
    records += [with_accuracy(tiny(seed=s, method=method, transition="true"), made_up, plain[s] + gain)
                for method, gains in gained.items() for s, gain in enumerate(gains)]  # fmt: skip
    rows = tables.gains(tables.as_table(records)).set_index("method")
    expected = {method: scipy.stats.ttest_1samp(gained[method], 0).pvalue for method in ("forward", "backward")}
    assert rows["p_value"].drop("reweighting").to_dict() == pytest.approx(expected)
    assert rows.loc["forward", "corrected"] == pytest.approx(2 * expected["forward"])
    assert rows.loc["backward", "corrected"] == pytest.approx(expected["backward"])
    assert rows.loc["reweighting", ["p_value", "corrected"]].isna().all()  # one seed


def test_gains_can_be_taken_at_the_last_epoch(tiny, made_up):
    records = [with_accuracy(tiny(seed=s), made_up, 0.9, last=0.5) for s in range(2)]
    records += [with_accuracy(tiny(seed=s, method="backward", transition="true"), made_up, 0.9, last=0.6)
                for s in range(2)]  # fmt: skip
    table = tables.as_table(records)
    assert tables.gains(table, "best_accuracy")["gain"].tolist() == [pytest.approx(0)]
    assert tables.gains(table)["gain"].tolist() == [pytest.approx(10)]


def test_each_estimated_t_is_held_against_the_true_one_in_the_same_method(tiny, made_up):
    reached = {("forward", "true"): 0.9, ("forward", "anchor-97"): 0.8, ("backward", "true"): 0.5,
               ("backward", "anchor-97"): 0.6, ("t-revision", "anchor-97"): 0.1, ("mixup", None): 0.2,
               ("cross-entropy", None): 0.3}  # fmt: skip
    records = [with_accuracy(tiny(seed=s, method=method, transition=source), made_up, accuracy)
               for (method, source), accuracy in reached.items() for s in range(3)]  # fmt: skip
    found = tables.against_true(tables.as_table(records))
    assert found[["method", "transition"]].values.tolist() == [["forward", "anchor-97"], ["backward", "anchor-97"]]
    assert found["gain"].tolist() == pytest.approx([-10, 10])
    assert found["n"].tolist() == [3, 3]
    assert tables.against_true(tables.as_table(records[-3:])).empty


def test_accuracies_are_means_and_sample_deviations_of_a_cell(tiny, made_up):
    records = [with_accuracy(tiny(seed=s), made_up, best) for s, best in enumerate((0.80, 0.70, 0.90))]
    records += [with_accuracy(tiny(seed=s, noise="paper-0.6"), made_up, 0.5) for s in range(2)]
    table = tables.accuracies(tables.as_table(records))
    assert table["noise"].tolist() == ["paper-0.5", "paper-0.6"]
    assert table["best_accuracy"].tolist() == ["80.0 ± 10.0", "50.0 ± 0.0"]
    assert table["lowest"].tolist() == ["70.0", "50.0"]
    assert table["n"].tolist() == [3, 2]


def test_the_flips_tell_a_matrix_from_its_transpose():
    table = tables.fit_of_noise("fashion-mnist-3", ["paper-0.5", "paper-0.6", "random-0.4-1"], 2).set_index("noise")
    assert len(table) == 6
    assert (table["p_value"] > 1e-6).all()  # uniform under the right matrix: one in 160,000 fails of six
    assert (table.loc["paper-0.5", "p_value_transposed"] < 1e-100).all()
    assert (table.loc["paper-0.6", "p_value_transposed"] == table.loc["paper-0.6", "p_value"]).all()  # symmetric
    assert table.loc["random-0.4-1", "p_value_transposed"].isna().all()  # its transpose is no transition matrix


@pytest.mark.parametrize("make", [tables.as_table, tables.as_curves])
def test_tables_may_be_made_of_an_iterator(made_up, make):
    assert len(make(iter([made_up()]))) == len(make([made_up()]))


def test_a_part_of_our_recipe_is_named_by_what_the_trial_leaves_out(made_up):
    asked = plans.ablation(noises=["paper-0.5"], seeds=1, profile="smoke")
    table = tables.ablation(made_up(trial) for trial in asked)
    assert table["part"].tolist() == [
        "the whole",
        "with a graph of pixels",
        "without the validation images",
        "without augmented images and averaging",
    ]


def tried(*scores, method="forward", transition="true", options=()):
    """An arm with tries of these scores, the last of them the protocol's."""
    arm = tuning.Arm("fashion-mnist-3", "paper-0.5", "lenet", method, transition)
    first = tuning.untuned(arm)
    others = [
        dataclasses.replace(first, settings=dataclasses.replace(first.settings, epochs=20 + k), options=options)
        for k in range(len(scores) - 1)
    ]
    return {arm: list(zip([*others, first], scores, strict=True))}


def best(found):
    return {arm: tries[0][0] for arm, tries in found.items()}


def test_every_try_has_its_settings_and_its_distance_to_the_best():
    options = (("alpha", 0.25), ("beta", 3.0))
    found = tried(1.0, 1.5, 1.002, method="symmetric", transition=None, options=options)
    table = tuning_tables.tries(found, best(found))
    assert table["behind"].tolist() == pytest.approx([0, 500, 2])
    assert table["protocol"].tolist() == [False, False, True]
    assert table["reported"].tolist() == [True, False, False]
    assert table["options"].tolist() == ["alpha 0.25, beta 3", "alpha 0.25, beta 3", "alpha 0.1, beta 1"]
    assert table["epochs"].tolist() == [20, 21, 8]
    assert set(table["transition"]) == {""}


def test_what_was_chosen_is_what_each_arm_is_reported_with():
    found = tried(1.0, 1.002) | tried(1.3, method="mixup", transition=None) | tried(1.1, 1.2, method="backward")
    settled = best(found) | {arm: tuning.untuned(arm) for arm in found if arm.method == "backward"}
    chosen = tuning_tables.chosen_tries(tuning_tables.tries(found, settled))
    assert chosen["method"].tolist() == ["forward", "backward", "mixup"]
    assert chosen["score"].tolist() == [1.0, 1.2, 1.3]
    assert chosen["protocol behind"].tolist() == [2.0, 100.0, 0.0]
    assert chosen["tries"].tolist() == [2, 2, 1]
    assert chosen["epochs"].tolist() == [20, 8, 8]


def test_a_difference_is_paired_by_seed_and_arm(tiny, made_up):
    def record(seed, accuracy, **fields):
        history = {**HISTORY, "clean_test_accuracy": [0.1, 0.2, accuracy]}
        return made_up(tiny(seed=seed, **fields), history=history, best_epoch=1)

    mixup = {"method": "mixup"}
    first = [record(0, 0.90), record(1, 0.95), record(0, 0.5, **mixup)]
    second = [record(1, 0.93), record(0, 0.89), record(7, 0.1), record(0, 0.51, **mixup)]
    found = tables.difference(first, second).set_index("method")
    assert found["gain"].to_dict() == pytest.approx({"cross-entropy": 1.5, "mixup": -1.0})
    assert found["n"].to_dict() == {"cross-entropy": 2, "mixup": 1}
    assert found.loc["cross-entropy", "low"] < 1 < 2 < found.loc["cross-entropy", "high"]
    best = tables.difference(first, second, "best_accuracy", unit=0.001).set_index("method")  # at index 1
    assert best["gain"].to_dict() == pytest.approx({"cross-entropy": 0, "mixup": 0})
    last = tables.difference(first, second, unit=0.001).set_index("method")
    assert last["gain"].to_dict() == pytest.approx({"cross-entropy": 15, "mixup": -10})
    assert tables.difference([], second).empty
    assert tables.difference(first, []).empty


def test_a_distorted_matrix_has_the_error_that_its_share_says():
    noises, changes = ["symmetric-0.3", "paper-0.6"], ["towards-identity-0.5", "transposed", "at-random-0.2"]
    found = tables.distortion_errors("fashion-mnist-3", noises, changes, seeds=2)
    # The identity is off by 2 * 0.3 in each row of three, half of it is half of that.
    assert found.loc["towards-identity-0.5", "symmetric-0.3"] == pytest.approx(0.3)
    assert found.loc["transposed"].tolist() == pytest.approx([0, 0])


def test_a_random_distortion_has_an_error_in_proportion_to_its_share_and_a_draw_for_each_seed():
    changes = ["at-random-0.1", "at-random-0.2"]
    one, two = (
        tables.distortion_errors("fashion-mnist-3", ["paper-0.6"], changes, seeds=n)["paper-0.6"] for n in (1, 2)
    )
    assert one["at-random-0.2"] == pytest.approx(2 * one["at-random-0.1"])
    assert one["at-random-0.2"] != two["at-random-0.2"]
    assert 0 < one["at-random-0.2"] < 2 * 0.2  # two distributions lie no further apart than 2


def test_the_settings_are_those_of_each_network_and_of_our_recipe():
    shown = tuning_tables.settings("fashion-mnist-3", {"lenet": "LeNet"})
    assert shown.columns.tolist() == ["LeNet", "LeNet, our recipe"]
    assert shown.loc["epochs"].tolist() == [8, 20]
    assert shown.loc["augmentation"].tolist() == [None, "shift-flip"]


def test_runs_without_noise_stand_at_rate_0_of_every_family_and_every_other_run_once(tiny, made_up):
    noises = ["clean", "symmetric-0.2", "pair-flip-0.45", "instance-0.2", "symmetric-0.6"]
    table = tables.as_table(made_up(tiny(noise=noise, seed=seed)) for noise in noises for seed in range(2))
    found = tables.by_rate(table)
    clean, noisy = found[found["noise"] == "clean"], found[found["noise"] != "clean"]
    assert set(clean["family"]) == {"symmetric", "pair-flip", "instance"}
    assert set(clean["rate"]) == {0.0}
    assert sorted(noisy["key"]) == sorted(table[table["noise"] != "clean"]["key"])
    assert (noisy["family"] + "-" + noisy["rate"].map("{:g}".format) == noisy["noise"]).all()


@pytest.mark.parametrize("noise", ["human", "paper-0.5", "random-0.3-7"])
def test_a_noise_that_has_no_rate_is_named(noise, tiny, made_up):
    table = tables.as_table([made_up(tiny())]).assign(noise=noise)
    with pytest.raises(InputError, match=f"Noise {noise} has no rate"):
        tables.by_rate(table)


def a_run(made_up, asked, noisy, clean, **fields):
    """A record whose accuracies on noisy validation and clean test labels after each epoch are these."""
    history = {**HISTORY, "noisy_validation_accuracy": noisy, "clean_test_accuracy": clean}
    return made_up(asked, history=history, transition_matrices=dict.fromkeys(READ, SYMMETRIC), **fields)


SYMMETRIC = [[0.6, 0.2, 0.2], [0.2, 0.6, 0.2], [0.2, 0.2, 0.6]]
READ = ("oracle", "confident-learning")


def test_a_gain_is_foretold_by_noisy_labels_alone(tiny, made_up):
    plain = a_run(made_up, tiny(seed=1), [0.50, 0.52, 0.44], [0.8, 0.8, 0.7])
    better = a_run(made_up, tiny(seed=1, method="forward", transition="true"), [0.5, 0.5, 0.52], [0.8, 0.8, 0.85])
    alone = a_run(made_up, tiny(seed=2, method="forward", transition="true"), [0.5, 0.5, 0.52], [0.8, 0.8, 0.85])
    (row,) = rule_tables.predicted_gains([plain, better, alone], "here").to_dict("records")
    assert (row["training"], row["method"], row["seed"]) == ("here", "forward", 1)
    assert row["gain"] == pytest.approx(15)
    assert row["margin"] == pytest.approx(0.6 - 0.2)
    assert row["predicted"] == pytest.approx(100 * (0.52 - 0.44) / (0.6 - 0.2))
    # A fifth of 600 images is held out, and classifiers disagree on a tenth of these.
    assert row["resolution"] == pytest.approx(100 * 1.96 * (0.1 / 120) ** 0.5 / (0.6 - 0.2))
    assert row["verdict"] == "gain"  # as 20 points are more than 14.1
    assert row["told"]
    assert row["right"]
    assert not row["failed"]
    assert list(rule_tables.predicted_gains([plain])) == list(row)


def test_a_run_that_fails_is_told_by_noisy_labels_alone(tiny, made_up):
    plain = a_run(made_up, tiny(seed=1), [0.5, 0.5, 0.5], [0.8, 0.8, 0.8])
    fallen = a_run(made_up, tiny(seed=1, method="forward", transition="true"), [0.5, 0.5, 0.34], [0.8, 0.8, 0.9])
    (row,) = rule_tables.predicted_gains([plain, fallen]).to_dict("records")
    assert row["failed"]  # always to name one of three classes is right in 0.333
    poor = a_run(made_up, tiny(seed=1), [0.5, 0.5, 0.34], [0.8, 0.8, 0.8])
    (row,) = rule_tables.predicted_gains([poor, fallen]).to_dict("records")
    assert not row["failed"]  # as the other one is no better


def test_the_choice_between_two_runs_asks_no_clean_label(tiny, made_up):
    crowded = [[0.4, 0.6, 0.0], [0.2, 0.4, 0.4], [0.0, 0.6, 0.4]]  # a right network agrees with 0.4, a guess with 0.533
    runs = []
    for fields, noisy in (({}, 0.6), ({"method": "forward", "transition": "true"}, 0.4)):
        history = {**HISTORY, "noisy_validation_accuracy": [noisy] * 3, "clean_test_accuracy": [1.0] * 3}
        runs.append(made_up(tiny(seed=1, **fields), history=history, transition_matrices=dict.fromkeys(READ, crowded)))
    (row,) = rule_tables.predicted_gains(runs).to_dict("records")
    assert row["failed"]
    assert not tables.failed(runs[1])


def test_of_a_refit_the_gain_over_a_refit_is_measured_and_nothing_foretold(tiny, made_up):
    plain = a_run(made_up, tiny(seed=1), [0.5, 0.5, 0.4], [0.8, 0.8, 0.6])
    refit = a_run(made_up, tiny(seed=1, refit=True), [0.5, 0.5, 0.8], [0.8, 0.8, 0.7])
    better = a_run(made_up, tiny(seed=1, method="mixup", refit=True), [0.5, 0.5, 0.9], [0.8, 0.8, 0.9])
    (row,) = rule_tables.predicted_gains([plain, refit, better]).to_dict("records")
    assert row["gain"] == pytest.approx(20)
    assert np.isnan(row["predicted"])
    assert not row["told"]


def test_a_gain_is_over_the_cross_entropy_of_as_many_epochs(tiny, made_up):
    runs = []
    for epochs, accuracies in ((2, (0.6, 0.5)), (4, (0.7, 0.9))):
        settings = dataclasses.replace(tiny().settings, epochs=epochs)
        for accuracy, method in zip(accuracies, ({}, {"method": "forward", "transition": "true"}), strict=True):
            runs.append(a_run(made_up, tiny(settings=settings, **method), [0.5, 0.5, 0.5], [0.1, 0.1, accuracy]))
    found = rule_tables.predicted_gains(runs).set_index("epochs")["gain"]
    assert found.to_dict() == {2: pytest.approx(-10), 4: pytest.approx(20)}


def judged(rows):
    told = rows["verdict"] != "can't tell"
    return rows.assign(told=told, right=told & (np.sign(rows["predicted"]) == np.sign(rows["gain"])))


def test_how_often_the_rule_is_right_is_counted_by_the_size_of_the_gain():
    rows = pd.DataFrame(
        [[0.5, -1, "can't tell"], [-2, -3, "loss"], [2, 9, "gain"], [-5, 8, "gain"], [5, 1, "can't tell"]],
        columns=["gain", "predicted", "verdict"],
    )
    assert rule_tables.rightness(judged(rows)).values.tolist() == [[1, 0, 0], [2, 2, 2], [2, 1, 0], [5, 3, 2]]


def test_a_cell_has_the_mean_margin_and_gain_of_its_runs_and_the_gain_without_those_that_failed():
    cell = ["usual", "d", "lenet", "paper-0.5", "forward", "true"]
    runs = [[*cell, 8, 0.2, -9.0, True], [*cell, 8, 0.4, 3.0, False], [*cell[:-1], "oracle", 8, 0.2, -1.0, False]]
    columns = ["training", "dataset", *tables.ARM_COLUMNS, "epochs", "margin", "gain", "failed"]
    rows = pd.DataFrame(runs, columns=columns)
    assert rule_tables.by_margin(rows).values.tolist() == [
        [*cell, 8, pytest.approx(0.3), -3.0, 1.5, 2],
        [*cell[:-1], "oracle", 8, 0.2, -1.0, -1.0, 1],
    ]


def test_the_rule_stands_beside_its_rivals():
    gain = [4.0, -2.0, 1.0, 0.5, -0.1]
    cells = pd.DataFrame({"margin": [0.1, 0.2, 0.3, 0.6, 0.7], "gain": gain, "kept": [4.0, 1.5, 1.0, 0.5, -0.1]})
    found = rule_tables.choices(cells.assign(epochs=[40, 8, 20, 8, 20]))
    simple = ["correct always", "follow the rule", "correct in long training", "never correct"]
    assert found.index.tolist() == ["correct unless the run fails", *simple]
    assert found["better"].tolist() == [4, 3, 3, 3, 2]
    assert found["misses"].tolist() == [0, 1, 1, 0, 1]
    assert found["gives away"].tolist() == pytest.approx([-1.4 / 5, 2.1 / 5, 2.5 / 5, 0.6 / 5, 5.5 / 5])


def test_how_far_a_setting_is_behind_is_told_for_each_method_of_one_training():
    scores = [
        {"training": "plain", "method": "forward", "transition": "true", "settings": "default", "score": 1.002},
        {"training": "plain", "method": "forward", "transition": "true", "settings": "late", "score": 1.0},
        {"training": "plain", "method": "cross-entropy", "transition": None, "settings": "default", "score": 0.9},
        {"training": "plain", "method": "cross-entropy", "transition": None, "settings": "late", "score": 0.9005},
        {"training": "modern", "method": "cross-entropy", "transition": None, "settings": "default", "score": 9.0},
    ]
    found = tuning_tables.behind(scores, "plain")
    assert found.index.tolist() == ["forward, true T", "cross-entropy"]
    np.testing.assert_allclose(found[["default", "late"]], [[2, 0], [0, 0.5]], atol=1e-9)
