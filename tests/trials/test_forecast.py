"""What trials will take is told from what they took, and from how fast this machine is."""

import dataclasses

import pytest

from labelnoise.trials import epoch_costs, expected_seconds, relative_speed, trial


def full(method="cross-entropy", **fields):
    return trial(**{"noise": "paper-0.5", "model": "lenet", "method": method, "seed": 0, **fields})


@pytest.fixture
def costs(made_up):
    """Cross-entropy took 1, 2 and 9 seconds per epoch, forward correction 3, and AlexNet 20."""
    records = [made_up(full(seed=k), seconds=8.0 * s) for k, s in enumerate((1, 9, 2))]
    records.append(made_up(full("forward", transition="true"), seconds=24.0))
    records.append(made_up(full(model="alexnet"), seconds=160.0))
    return epoch_costs(records)


def test_a_trial_is_expected_to_take_the_median_of_its_like(costs):
    assert expected_seconds([full(noise="symmetric-0.3", seed=7)], costs, {}) == 8 * 2
    assert expected_seconds([full("forward", transition="true", noise="clean")], costs, {}) == 8 * 3


def test_what_has_no_like_on_record_takes_what_its_network_takes(costs):
    assert expected_seconds([full("mixup", model="alexnet")], costs, {}) == 8 * 20
    assert expected_seconds([full("mixup")], costs, {}) == 8 * 2.5  # the median of 1, 2, 3 and 9


def test_epochs_images_and_the_speed_of_this_machine_count(costs):
    longer = full(settings=dataclasses.replace(full().settings, epochs=40))
    assert expected_seconds([longer, full()], costs, {"lenet": 0.5}) == pytest.approx((40 + 8) * 2 * 0.5)
    assert expected_seconds([full(images=1800)], costs, {}) == pytest.approx(8 * 2 * 0.1)


def test_the_speed_is_measured_against_records_that_are_nothing_but_training(made_up):
    assert relative_speed("lenet", []) == 1.0
    assert relative_speed("lenet", [made_up(full(), seconds=8e6)]) == 1.0  # these seconds have estimators of T in them
    slow, quick = ([made_up(full("forward", transition="true"), seconds=seconds)] for seconds in (8e6, 8e-6))
    assert relative_speed("lenet", slow) < 1e-3
    assert relative_speed("lenet", quick) > 1e3
