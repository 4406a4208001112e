import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelnoise.book import cost_prose, matrix_prose, prose, rule_prose, titles
from labelnoise.statistics import interval
from labelnoise.trials import tuning


def signed(text):
    """The numbers of a text that have a sign."""
    return [float(number) for number in re.findall(r"(?<![\w.])[+-]\d+(?:\.\d+)?", text)]


def counts(text):
    """The whole numbers of its last sentence."""
    return [int(number) for number in re.findall(r"(?<![\w.])\d+(?![\w.%])", text.rstrip(".").rpartition(". ")[2])]


def sizes(text):
    return [int(n) for n in re.findall(r"n = (\d+)", text)]


@settings(deadline=None, max_examples=100)
@given(st.lists(st.floats(-50, 50), min_size=2, max_size=12), st.integers(1, 4))
def test_the_numbers_of_an_interval_can_be_read_back(values, digits):
    value = interval(values)
    text = prose.with_interval(value, "points", digits)
    assert "points" in text
    assert sizes(text) == [len(values)]
    found = [float(number) for number in re.findall(r"[+-]?\d+\.\d+", text)]  # what rounds to 0 has no sign
    assert found == pytest.approx([value.mean, value.low, value.high], abs=0.5001 * 10**-digits)
    assert {len(decimals) for decimals in re.findall(r"\.(\d+)", text)} == {digits}


def test_a_gain_and_a_loss_have_their_sign():
    assert prose.with_interval(interval([1.0, 1.5, 2.0])).startswith("+1.5 points")
    assert prose.with_interval(interval([-1.0, -1.5, -2.0])).startswith("-1.5 points")


@pytest.mark.parametrize("value", [-0.04, -0.0, 0.0, 0.04])
def test_what_rounds_to_zero_has_no_sign_as_it_could_lie_on_either_side(value):
    assert titles.signed(value) == "0.0"
    assert titles.signed(value, 2) == ("0.00" if value == 0 else f"{value:+.2f}")
    assert prose.with_interval(interval([value])).startswith("0.0 points")
    assert titles.spanned(value, value - 1, value) == f"0.0 ({value - 1:+.1f} to 0.0)"
    assert titles.spanned(value, float("nan"), float("nan")) == "0.0"


def test_one_seed_has_no_interval():
    text = prose.with_interval(interval([0.8]))
    assert signed(text) == [0.8]
    assert "one seed" in text
    assert "nan" not in text


def test_items_are_listed_as_people_do():
    assert [prose.listed(list("abc")[:n]) for n in (1, 2, 3)] == ["a", "a and b", "a, b and c"]


@pytest.mark.parametrize(("text", "expected"), [("on it LeNet", "On it LeNet"), ("", ""), ("“0.5”", "“0.5”")])
def test_a_sentence_starts_with_a_capital_and_keeps_the_rest(text, expected):
    assert prose.sentence(text) == expected


def gains_table(*rows):
    columns = ["model", "noise", "method", "transition", "gain", "low", "high", "n"]
    return pd.DataFrame(rows, columns=columns).assign(corrected=0.5)


def test_every_gain_is_told_with_its_interval_n_and_cell_in_the_order_of_the_table():
    rows = [
        ["lenet", "paper-0.5", "forward", "true", 0.83, 0.21, 1.44, 10],
        ["alexnet", "paper-0.6", "forward", "true", -1.27, -2.09, -0.46, 5],
        ["lenet", "symmetric-0.4", "forward", "anchor-97", 0.12, -0.31, 0.58, 9],
    ]
    text = prose.gains_sentence(gains_table(*rows))
    assert signed(text) == [0.8, 0.2, 1.4, -1.3, -2.1, -0.5, 0.1, -0.3, 0.6]
    assert sizes(text) == [10, 5, 9]
    for (model, noise, _, source, *_), part in zip(rows, re.split(r"n = \d+", text)[1:], strict=True):
        assert f"{titles.MODEL_TITLES[model]} on {titles.noise_title(noise)}" in part
        assert titles.source_title(source) in part


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0, 3), st.floats(0, 0.1)), min_size=1, max_size=6))
def test_the_gains_and_losses_beyond_zero_are_counted_and_those_that_stay_after_correction(cells):
    rows = [["lenet", "paper-0.5", "forward", "true", m, m - half, m + half, 10] for m, half, _ in cells]
    gains = gains_table(*rows).assign(corrected=[p for *_, p in cells])
    gained, lost = (sum(half < sign * m for m, half, _ in cells) for sign in (1, -1))
    told = sum(p < 0.05 for *_, p in cells)
    assert counts(prose.gains_sentence(gains)) == [len(cells), gained, lost, told]
    assert "the share of flips changes by" in prose.gains_sentence(gains, "the share of flips")


def test_what_an_estimated_t_changes_is_told_for_each_network_and_noise_and_what_is_beyond_chance():
    rows = [
        ["lenet", "paper-0.5", "forward", "alternating", 0.2, 0.1, 0.3, 10],
        ["lenet", "paper-0.5", "forward", "anchor-97", -0.3, -0.9, 0.3, 10],
        ["alexnet", "paper-0.6", "forward", "anchor-97", -17.0, -34.0, 0.1, 10],
        ["lenet", "paper-0.5", "hog-forward", "alternating", -0.5, -0.8, -0.2, 10],
    ]
    text = prose.sources_sentence(gains_table(*rows).assign(corrected=[0.2, 0.1, 0.1, 0.01]))
    assert "by -0.5 to +0.2 points for LeNet on “0.5” and -17.0 to -17.0 points for AlexNet on “0.6”, in" in text
    assert counts(text.partition(", in the mean")[2]) == [4, 2, 1]
    assert "No method" in prose.sources_sentence(gains_table())


def test_the_two_lowest_runs_of_each_method_are_told():
    rows = [["cross-entropy", "", 0.873], ["cross-entropy", "", 0.79], ["cross-entropy", "", 0.801],
            ["forward", "true", 0.333]]  # fmt: skip
    table = pd.DataFrame(rows, columns=["method", "transition", "last_accuracy"])
    assert prose.lowest_sentence(table) == (
        "The lowest runs end at 79.0 and 80.1 % with cross-entropy, at 33.3 % with forward."
    )
    assert "no such runs" in prose.lowest_sentence(table[:0])


def test_the_largest_error_that_gains_and_the_smallest_that_loses_are_told():
    cell = ["lenet", "paper-0.6", "forward"]
    gains = gains_table(
        [*cell, "true", 0.9, 0.5, 1.3, 3], [*cell, "true, transposed", -1.0, -2.0, 0.5, 3],
        [*cell, "true, at-random-0.5", -9.0, -12.0, -6.0, 3], [*cell, "true, towards-identity-0.5", 0.4, 0.1, 0.7, 3],
        [*cell, "true, towards-uniform-0.5", 0.7, 0.1, 1.3, 3],
    )  # fmt: skip
    names = ["transposed", "at-random-0.5", "towards-identity-0.5", "towards-uniform-0.5"]
    errors = pd.DataFrame({"paper-0.6": [0.2, 0.4, 0.6, 0.1]}, index=names)
    assert prose.distortions_sentence(gains, errors) == (
        "The largest error of T with which the mean is a gain is 0.60 (T towards identity 0.5 on “0.6”: +0.4 points "
        "(+0.1 to +0.7, n = 3)); the smallest with which it is a loss is 0.20 (T transposed on “0.6”: -1.0 points "
        "(-2.0 to +0.5, n = 3))."
    )
    assert "loss" not in prose.distortions_sentence(gains[gains["gain"] > 0], errors)
    assert prose.distortions_sentence(gains[:1], errors) == "No T is distorted in this run."


def test_each_part_of_a_recipe_is_told_by_what_is_reached_without_it():
    rows = [("whole", "paper-0.5", 0, 0.95), ("whole", "paper-0.5", 1, 0.97), ("whole", "paper-0.6", 0, 0.9),
            ("without the graph", "paper-0.5", 0, 0.8), ("without the graph", "paper-0.6", 1, 0.7)]  # fmt: skip
    parts = pd.DataFrame(rows, columns=["part", "noise", "seed", "last_accuracy"])
    assert prose.parts_sentence(parts) == (
        "Whole 96.0 % on “0.5” and 90.0 % on “0.6”; without the graph 80.0 % on “0.5” and 70.0 % on “0.6” "
        "(LeNet, true T, n = 2)."
    )


def test_a_gain_of_one_seed_is_told_without_an_interval():
    text = prose.gains_sentence(gains_table(["lenet", "paper-0.5", "forward", "true", 0.8, np.nan, np.nan, 1]))
    assert signed(text) == [0.8]
    assert "one seed" in text
    assert "nan" not in text


def test_the_smallest_error_on_each_noise_is_told_beside_the_oracles():
    rows = [
        ["paper-0.6", "oracle", 0.006, 0.001, 7, 1.0],
        ["paper-0.6", "anchor-max", 0.300, 0.020, 7, 50.0],
        ["paper-0.6", "anchor-97", 0.123, 0.010, 7, 20.5],
        ["paper-0.5", "oracle", 0.005, 0.001, 7, 1.0],
        ["paper-0.5", "anchor-max", 0.0456, 0.010, 7, 9.12],
        ["paper-0.5", "anchor-97", 0.100, 0.010, 7, 20.0],
    ]
    columns = ["noise", "estimator", "mean", "deviation", "n", "times_oracle"]
    text = matrix_prose.errors_sentence(pd.DataFrame(rows, columns=columns))
    first, second = text.split("“0.6”")
    assert "0.123 on " in first
    assert titles.source_title("anchor-97") in second
    assert "0.046 on “0.5”" in second
    assert second.index(titles.source_title("anchor-97")) < second.index(titles.source_title("anchor-max"))
    assert re.findall(r"\d+\.\d+(?= times)", text) == ["20.5", "9.1"]
    assert sizes(text) == [7, 7]


def test_a_recipe_is_told_by_its_mean_and_spread_in_each_cell():
    rows = [
        {"model": "lenet", "noise": noise, "transition": transition, "last_accuracy": 0.9 + 0.01 * seed + shift}
        for noise, transition, shift, seeds in (("paper-0.5", "true", 0.05, 3), ("paper-0.6", "anchor-97", 0.0, 1))
        for seed in range(seeds)
    ]
    text = prose.recipe_sentence(pd.DataFrame(rows))
    assert "96.0 ± 1.0 % for LeNet on “0.5” with the true T (n = 3)" in text
    assert "90.0 % for LeNet on “0.6” with T by 97th-percentile anchor (n = 1)" in text


def test_tuning_is_told_by_its_tries_and_what_the_published_settings_lack():
    arm = {"model": "lenet", "noise": "paper-0.5", "transition": ""}
    behind = {"mixup": [0.0, 0.4], "forward": [0.3, 0.0], "symmetric": [0.9, 0.0, 2.0]}  # the protocol's first
    rows = [
        {**arm, "method": method, "behind": distance, "protocol": k == 0, "reported": distance == 0}
        for method, distances in behind.items()
        for k, distance in enumerate(distances)
    ]
    text = cost_prose.tuning_sentence(pd.DataFrame(rows))
    assert "2 tries for each of 3 combinations" in text
    assert "In 1 of these no try was better" in text
    assert "at most 0.30 millinats" in text


def test_what_a_run_has_no_arm_for_is_said():
    assert prose.gains_sentence(pd.DataFrame()) == "Forward correction is not among the arms of this run."
    assert prose.recipe_sentence(pd.DataFrame()) == "Our own recipe is not among the arms of this run."


def test_standard_errors_and_costs_have_their_units():
    arm = tuning.Arm("fashion-mnist-3", "paper-0.5", "lenet", "mixup")
    first = tuning.start(arm)
    other = dataclasses.replace(first, settings=dataclasses.replace(first.settings, epochs=20))
    text = cost_prose.standard_errors({arm: {first: [1.0, 1.0], other: [1.001, 0.999]}})
    # Two seeds that differ by 2 millinats have a standard error of 1, and a normal's median is 0.6745 of that.
    assert text == "1.48 millinats for LeNet on “0.5”"
    assert cost_prose.core_hours([1800, 5400]) == "2.0 core-hours"


def test_the_range_names_the_noises_of_least_and_largest_gain_of_each_method():
    gains = pd.DataFrame(
        [["forward", "true", "symmetric-0.2", -0.3, 3], ["forward", "true", "pair-flip-0.45", 2.0, 3],
         ["forward", "true", "symmetric-0.6", 1.0, 3], ["mixup", "", "symmetric-0.2", 0.5, 3]],
        columns=["method", "transition", "noise", "gain", "n"],
    )  # fmt: skip
    said = prose.range_sentence(gains, "with LeNet")
    assert "of cross-entropy with LeNet by, in the mean (n = 3): " in said
    assert "(n = 1 to 3)" in prose.range_sentence(gains.assign(n=[1, 3, 2, 3]), "with LeNet")
    assert "forward, true T, between -0.3 points on symmetric 0.2 and +2.0 points on pair flip 0.45" in said
    assert "mixup, between +0.5 points on symmetric 0.2 and +0.5 points on symmetric 0.2" in said


def test_the_rule_is_right_where_its_sign_is_and_silent_where_it_cannot_tell():
    rows = pd.DataFrame(
        [[5.0, 6.0, "gain"], [-4.0, 5.0, "gain"], [0.4, 0.1, "can't tell"], [-8.0, 0.1, "can't tell"]],
        columns=["gain", "predicted", "verdict"],
    ).assign(told=[True, True, False, False], right=[True, False, False, False])
    said = rule_prose.rule_sentence(rows, "of these")
    assert said.startswith("In 2 of 4 runs of these the accuracy")
    assert "in 1 of these 2 rightly; in the others" in said
    assert "by -8.0 to +0.4 points, 4.2 in the median" in said
    assert rule_prose.rule_sentence(rows.iloc[:2], "of these").endswith("in 1 of these 2 rightly.")


def test_falls_beyond_the_resolution_are_told_with_what_correction_changes():
    cell = ["usual", "lenet", "paper-0.5"]
    rows = pd.DataFrame(
        [[*cell, 5.0, 3.0], [*cell, -4.0, 3.0], ["long", *cell[1:], 1.0, 3.0], [*cell, 0.4, 0.0], [*cell, 0.2, 1.0]],
        columns=["training", "model", "noise", "gain", "fall"],
    ).assign(resolution=1.0)
    said = rule_prose.falls_sentence(rows)
    assert said.startswith("In 3 of 5 runs, of 2 pairs of a training and a noise, ")
    assert said.endswith("by -4.0 to +5.0 points; in the others by +0.3 in the median.")
    assert rule_prose.falls_sentence(rows.iloc[:3]).endswith("by -4.0 to +5.0 points.")
    assert rule_prose.falls_sentence(rows.iloc[3:]).startswith("In no run")


def test_the_votes_are_told_with_the_least_and_the_largest_ratio():
    spread = pd.DataFrame({"ratio": [4.24, 13.4, 7.0], "p_value": [0.0, 1e-20, 3e-9]})
    assert matrix_prose.votes_sentence(spread) == (
        "From image to image of one class, the share of votes for it has 4.2 to 13.4 times the variance that chance "
        "gives (p at most 3e-09 for each class)."
    )
    assert "p at most 1e-300" in matrix_prose.votes_sentence(spread.assign(p_value=0.0))


def test_the_methods_that_stand_are_counted_on_each_noise_by_corrected_p_values():
    columns = ["noise", "method", "transition", "gain", "low", "high", "n", "corrected"]
    rows = [["human", "forward", "true", 2.0, 1.0, 3.0, 5, 0.04], ["human", "mixup", "", -2.0, -3.0, -1.0, 5, 0.01],
            ["human", "hog-forward", "true", 9.0, 8.0, 10.0, 5, 0.01],
            ["paper-0.5", "mixup", "", 0.1, 0.0, 0.2, 5, 0.06]]  # fmt: skip
    assert prose.standing_sentence(pd.DataFrame(rows, columns=columns)) == (
        "On human, of 2 methods, each counted with each T that it is given, 1 gain on cross-entropy beyond chance and "
        "1 lose; the largest gain is +2.0 points (+1.0 to +3.0, n = 5) (forward, true T); on “0.5”, of 1 methods, each "
        "counted with each T that it is given, 0 gain on cross-entropy beyond chance and 0 lose; the largest gain is "
        "+0.1 points (0.0 to +0.2, n = 5) (mixup). Our own recipe has more than the others and is left out of this "
        "count."
    )


def test_the_lead_of_the_right_label_parts_the_cells():
    noises = ["paper-0.5", "paper-0.6", "symmetric-0.2", "pair-flip-0.1", "instance-0.4", "human"]
    cells = pd.DataFrame(
        {"noise": noises, "margin": [0.1, 0.2, 0.5, 0.9, 0.1, 0.7], "gain": [4.0, 1.0, 0.2, -0.1, -3.0, 5.0]}
    )
    close, clear, imaged = rule_prose.margin_sentence(cells).split("; ")
    assert close.endswith(
        "leads the next one by less than 0.3 in some class, correction gains in 2 of 2 cases, and changes the accuracy "
        "by +1.0 to +4.0 points"
    )
    assert clear.endswith(
        "leads by more than 0.3 in every class, correction gains in 1 of 2 cases, and changes the accuracy by -0.1 to "
        "+0.2 points"
    )
    assert imaged == "where noise depends on the image it gains in 0 of 1 and 1 of 1."
    assert "more" not in rule_prose.margin_sentence(cells.iloc[:2])
    assert "less" not in rule_prose.margin_sentence(cells.iloc[2:4])


def test_losses_are_told_in_millinats_for_each_method():
    rows = [
        ["alexnet", "paper-0.6", "cross-entropy", "", -0.512, -0.8, -0.2, 9],
        ["alexnet", "paper-0.6", "forward", "true", 0.25, 0.1, 0.4, 8],
    ]
    assert prose.losses_sentence(gains_table(*rows)) == (
        "Against the published settings the loss on noisy validation labels changes by -0.51 millinats (-0.80 to "
        "-0.20, n = 9) for cross-entropy and +0.25 millinats (+0.10 to +0.40, n = 8) for forward, true T."
    )
    assert "no losses" in prose.losses_sentence(gains_table())


def test_changes_are_told_of_their_subject_and_so_is_their_absence():
    columns = ["model", "noise", "method", "transition", "gain", "low", "high", "n"]
    row = ["lenet", "paper-0.6", "forward", "true", 0.9, 0.4, 1.4, 30]
    found = pd.DataFrame([row, ["alexnet", *row[1:4], -0.5, -1.0, 0.0, 20]], columns=columns)
    assert prose.changes_sentence(found, "Forward correction") == (
        "Forward correction changes the accuracy by +0.9 points (+0.4 to +1.4, n = 30) for LeNet on “0.6” and -0.5 "
        "points (-1.0 to 0.0, n = 20) for AlexNet on “0.6”."
    )
    given = prose.changes_sentence(found.assign(transition=["true", "anchor-97"]), "Forward correction")
    assert "LeNet on “0.6” with the true T and" in given
    assert given.endswith("AlexNet on “0.6” with T by 97th-percentile anchor.")
    assert prose.changes_sentence(found[:0], "It") == "It is not among these runs."
