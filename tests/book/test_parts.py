import numpy as np
import pandas as pd
import pytest

from labelnoise.book import costs, parts
from labelnoise.names import PAPER


def result(**arms):
    """Errors by arm, a list by seed."""
    runs = [
        {"noise": "paper-0.5", "images": 2000, "seed": seed, "arm": arm.replace("_", " "), "l1": error, "seconds": 1.0}
        for arm, errors in arms.items()
        for seed, error in enumerate(errors)
    ]
    return {"runs": runs}


def test_a_part_that_is_left_out_is_compared_by_seed():
    table = parts.parts(result(all_parts=[0.01, 0.02, 0.03], without_it=[0.03, 0.03, 0.05])).set_index("arm")
    assert table.loc["all parts", "l1"] == pytest.approx(0.02)
    assert np.isnan(table.loc["all parts", "difference"])
    # Student's t with two degrees of freedom, of 0.02, 0.01 and 0.02.
    found = table.loc["without it"]
    assert found["difference"] == pytest.approx(0.05 / 3)
    assert found["high"] - found["difference"] == pytest.approx(4.302653 * 0.01 / 3, rel=1e-5)
    assert found["difference"] - found["low"] == pytest.approx(found["high"] - found["difference"])


def test_only_seeds_that_both_have_count():
    table = parts.parts(result(all_parts=[0.01, 0.5, 0.02], without_it=[0.02])).set_index("arm")
    assert table.loc["without it", "difference"] == pytest.approx(0.01)
    assert table["n"].tolist() == [3, 1]


def test_readers_see_the_noise_by_its_title_and_a_difference_with_its_interval():
    table = parts.shown(parts.parts(result(all_parts=[0.01, 0.02], without_it=[0.02, 0.03])))
    assert table.index.tolist() == [("“0.5”", "all parts"), ("“0.5”", "without it")]
    assert table["difference to all parts"].tolist() == ["", "+0.01 (+0.01 to +0.01)"]


def test_what_was_measured_has_each_part_with_the_same_seeds():
    measured = costs.measured("alternation")
    runs = pd.DataFrame(measured["runs"])
    arms = {"all parts", "without pooling", "without cross-fitting", "without the temperature"}
    for _, cell in runs.groupby(["noise", "images"]):
        seeds = cell.groupby("arm")["seed"].apply(sorted)
        assert set(seeds.index) == arms
        assert all(each == seeds.iloc[0] and len(set(each)) == len(each) for each in seeds)
    assert set(runs["noise"]) <= set(PAPER)
    assert set(measured["provenance"]) >= {"processor", "torch", "date"}
