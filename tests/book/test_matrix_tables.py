import dataclasses

import numpy as np
import pytest
import scipy.stats

from labelnoise import names, transitions
from labelnoise.book import matrix_tables

TRUTH = names.named("paper-0.5", 3)
SHIFT = np.array([[1, -1, 0], [0, 0, 0], [0, 0, 0]])


def off_by(x):
    """The true T with one entry x larger and another x smaller: relative L1 error 2 x / 3."""
    return (TRUTH + x * SHIFT).tolist()


def test_errors_are_those_of_each_matrix_against_the_true_one(tiny, made_up):
    truth, estimate = names.named("paper-0.6", 3), transitions.symmetric(3, 0.4)
    record = made_up(tiny(noise="paper-0.6"), transition_matrices={"oracle": truth.tolist(), "x": estimate.tolist()})
    table = matrix_tables.matrix_errors(iter([record])).set_index("estimator")
    assert table.loc["oracle", ["l1", "frobenius"]].tolist() == [0, 0]
    # Each row of T has 0.4 and twice 0.3, each of the estimate 0.6 and twice 0.2.
    assert table.loc["x", "l1"] == pytest.approx(0.4)
    assert table.loc["x", "frobenius"] == pytest.approx((0.06 / 0.34) ** 0.5)
    assert table.loc["x", ["noise", "images", "seed"]].tolist() == ["paper-0.6", 600, 0]


def test_the_oracle_is_listed_once_for_trials_that_share_their_labels(tiny, made_up):
    matrices = {"oracle": off_by(0.01), "volminnet": off_by(0.02)}
    records = [made_up(tiny()), made_up(tiny(method="volminnet"), transition_matrices=matrices)]
    table = matrix_tables.matrix_errors(records)
    assert (table["estimator"] == "oracle").sum() == 1
    assert (table["estimator"] == "volminnet").sum() == 1


def test_errors_of_t_are_compared_with_the_oracles(tiny, made_up):
    records = [
        made_up(tiny(seed=s), transition_matrices={"oracle": off_by(0.015), "anchor-max": off_by(x)})
        for s, x in enumerate((0.03, 0.09))
    ]
    table = matrix_tables.matrix_errors(records)
    oracle, found = matrix_tables.errors(table, ["oracle", "anchor-max"]).to_dict("records")
    assert (oracle["mean"], oracle["deviation"], oracle["times_oracle"]) == pytest.approx((0.01, 0, 1))
    assert (found["mean"], found["deviation"], found["n"]) == pytest.approx((0.04, 0.0008**0.5, 2))
    assert found["times_oracle"] == pytest.approx(4)


def test_rounds_stand_beside_each_other(tiny, made_up):
    def asked(noise, seed):
        return tiny(method="alternating", transition="confident-learning", noise=noise, seed=seed)

    def record(noise, seed, *shifts):
        truth = names.named(noise, 3)
        found = dict(zip(("round-1", "round-2", "alternating"), shifts, strict=True))
        matrices = {name: (truth + x * SHIFT).tolist() for name, x in found.items()}
        return made_up(asked(noise, seed), transition_matrices=matrices)

    noisier = [record("paper-0.6", 0, 0.06, 0.03, 0.03), record("paper-0.6", 1, 0.12, 0.03, 0.0)]
    first = matrix_tables.matrix_errors(noisier)
    second = matrix_tables.matrix_errors([record("paper-0.5", 0, 0.03, 0.06, 0.09), made_up()])
    table = matrix_tables.rounds(first, second)
    assert table.columns.tolist() == ["noise", "round 1", "round 2", "together"]
    assert table["noise"].tolist() == ["paper-0.6", "paper-0.5"]
    assert table["round 1"].tolist() == pytest.approx([0.06, 0.02])
    assert table["round 2"].tolist() == pytest.approx([0.02, 0.04])
    assert table["together"].tolist() == pytest.approx([0.01, 0.06])
    assert matrix_tables.rounds(matrix_tables.matrix_errors([made_up()])).empty


def test_mean_matrices_are_means_by_noise_of_the_records_that_have_them(tiny, made_up):
    a, b = transitions.symmetric(3, 0.2), transitions.symmetric(3, 0.4)
    records = [made_up(tiny(seed=s), transition_matrices={"x": t.tolist()}) for s, t in enumerate((a, b))]
    records.append(made_up(tiny(noise="paper-0.6"), transition_matrices={"x": np.eye(3).tolist()}))
    records.append(made_up(tiny(seed=7), transition_matrices={"y": np.eye(3).tolist()}))
    means = matrix_tables.mean_matrices(records, ["x"])
    np.testing.assert_allclose(means["paper-0.5"]["x"], transitions.symmetric(3, 0.3))
    np.testing.assert_allclose(means["paper-0.6"]["x"], np.eye(3))


def test_bias_is_of_the_mean_and_spread_around_it(tiny, made_up):
    spread = np.full((3, 3), 0.1).tolist()
    records = [
        made_up(tiny(seed=s), transition_matrices={"x": off_by(x)}, deviations={"x": spread})
        for s, x in enumerate((0.03, 0.09))
    ]
    (row,) = matrix_tables.spread_and_coverage(records).to_dict("records")
    assert (row["bias"], row["spread"], row["n"]) == pytest.approx((2 * 0.06 / 3, 2 * 0.03 / 3, 2))
    assert row["stated"] == pytest.approx(np.sqrt(2 / np.pi) * 0.9 / 3)


def test_coverage_counts_entries_within_the_stated_deviations(tiny, made_up):
    quantile = scipy.stats.norm.ppf(0.975)

    def record(seed, x, deviation):
        return made_up(
            tiny(seed=seed),
            transition_matrices={"x": off_by(x)},
            deviations={"x": np.full((3, 3), deviation).tolist()},
        )

    records = [record(0, 0.03, 0.031 / quantile), record(1, 0.03, 0.029 / quantile)]
    (row,) = matrix_tables.spread_and_coverage(records).to_dict("records")
    assert row["coverage"] == pytest.approx((1 + 7 / 9) / 2)


def test_an_interval_of_the_right_width_misses_what_the_bias_takes(tiny, made_up):
    generator = np.random.default_rng(0)
    records = [
        made_up(
            tiny(seed=s),
            transition_matrices={
                "oracle": TRUTH.tolist(),
                "even": (TRUTH + 0.01 * generator.standard_normal((3, 3))).tolist(),
                "biased": (TRUTH + 0.05 + 0.01 * generator.standard_normal((3, 3))).tolist(),
            },
            deviations={},
        )
        for s in range(100)
    ]
    even, biased = matrix_tables.spread_and_coverage(records).to_dict("records")
    assert (even["estimator"], biased["estimator"]) == ("even", "biased")
    assert np.isnan([even["stated"], even["coverage"], even["low"]]).all()
    assert abs(even["at_best"] - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 900)  # one in 16,000 fails
    # Five deviations off: by chance one entry in a thousand is within two, and never 45 of 900 (probability 1e-50).
    assert biased["at_best"] < 0.05


def test_coverage_of_normal_estimates_is_nominal(tiny, made_up):
    generator = np.random.default_rng(0)
    records = [
        made_up(
            tiny(seed=s),
            transition_matrices={"x": (TRUTH + 0.01 * generator.standard_normal((3, 3))).tolist()},
            deviations={"x": np.full((3, 3), 0.01).tolist()},
        )
        for s in range(100)
    ]
    (row,) = matrix_tables.spread_and_coverage(records).to_dict("records")
    allowed = 4 * np.sqrt(0.95 * 0.05 / 900)  # of 900 independent entries: fails once in 16,000
    assert abs(row["coverage"] - 0.95) < allowed
    # A mean of 900 absolute values of normal ones has this relative deviation; four of it: one in 16,000 fails.
    assert row["spread"] == pytest.approx(row["stated"], rel=4 * np.sqrt(np.pi / 2 - 1) / 30)


def test_traces_have_one_row_per_epoch(tiny, made_up):
    asked = dataclasses.replace(tiny(seed=3), trace=True)
    record = made_up(asked, trace={"x": [off_by(0.03), off_by(0.06)]})
    table = matrix_tables.traces([record, made_up()])
    assert table["epoch"].tolist() == [1, 2]
    assert table["l1"].tolist() == pytest.approx([0.02, 0.04])
    assert table["noisy_validation_loss"].tolist() == record.history["noisy_validation_loss"]


def test_orientation_tells_a_matrix_from_its_transpose(tiny, made_up):
    matrices = [TRUTH, TRUTH.T]
    records = [made_up(tiny(seed=s), transition_matrices={"x": m.tolist()}) for s, m in enumerate(matrices)]
    records.append(made_up(tiny(noise="paper-0.6"), transition_matrices={"x": np.eye(3).tolist()}))
    (row,) = matrix_tables.orientation(records, ["x", "y"]).to_dict("records")
    apart = np.abs(TRUTH - TRUTH.T).sum() / 3
    assert row["noise"] == "paper-0.5"
    assert (row["to_t"], row["to_transpose"], row["nearer"], row["n"]) == pytest.approx((apart / 2, apart / 2, 0.5, 2))


def test_probabilities_in_sample_stand_beside_those_held_out(tiny, made_up):
    plain = [made_up(tiny(seed=s), transition_matrices={"x": off_by(0.03)}) for s in range(2)]
    held_out = [
        made_up(
            tiny(seed=s, method="cross-fitting"),
            transition_matrices={"oracle": off_by(0), "x, held out": off_by(0.06), "x, calibrated": off_by(0.09)},
        )
        for s in range(2)
    ]
    compared = matrix_tables.held_out(matrix_tables.matrix_errors(plain), matrix_tables.matrix_errors(held_out), ["x"])
    (row,) = compared.to_dict("records")
    assert (row["in sample"], row["held out"], row["calibrated"]) == pytest.approx((0.02, 0.04, 0.06))


def test_classes_in_which_another_label_leads_are_counted(tiny, made_up):
    one, none = [[0.4, 0.6, 0], [0, 1, 0], [0, 0, 1]], np.eye(3).tolist()
    records = [made_up(tiny(seed=s), transition_matrices={"x": m}) for s, m in enumerate((one, one, none, none))]
    (row,) = matrix_tables.beaten(records, ["x", "y"]).to_dict("records")
    assert (row["estimator"], row["classes"], row["found"], row["n"]) == ("x", 0, 0.5, 4)
