import dataclasses
import itertools
import json
from collections import Counter

import numpy as np
import pytest

from labelnoise.training import METHODS, PROTOCOL, method, protocol
from labelnoise.trials import Ledger, Record, tuning
from labelnoise.trials.tuning import Arm, Choice, chosen, losses, read_chosen, settled, study, tried, write_chosen

FORWARD = Arm("fashion-mnist-3", "paper-0.5", "lenet", "forward", "true")
SYMMETRIC = dataclasses.replace(FORWARD, method="symmetric", transition=None)
BASE = PROTOCOL["lenet"]


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "tuning.jsonl")


@pytest.fixture
def swept(monkeypatch, made_up):
    """Trials are recorded without training, their loss least at twice the protocol's rate; lists every sweep's."""
    asked = []

    def sweep(trials, ledger, **_):
        asked.append(list(trials))
        for trial in trials:
            if trial not in ledger:
                rate = trial.settings.learning_rate / BASE.learning_rate
                loss = 1 + np.log2(rate / 2) ** 2 + trial.seed / 1e6
                ledger.append(made_up(trial, refitted_loss=float(loss)))

    monkeypatch.setattr(tuning, "sweep", sweep)
    return asked


def test_every_arm_gets_as_many_tries_and_the_first_of_each_is_the_protocol(ledger, swept):
    study([FORWARD, SYMMETRIC], ledger, tries=4)
    found = tried(losses(ledger))
    assert {arm: len(tries) for arm, tries in found.items()} == {FORWARD: 4, SYMMETRIC: 4}
    for arm in (FORWARD, SYMMETRIC):
        first = [t for t in swept[0] if t.method == arm.method]
        assert {t.settings for t in first} == {BASE}
        assert [t.seed for t in first] == list(tuning.SEEDS)
    assert {t.options for t in swept[0] if t.method == "symmetric"} == {(("alpha", 0.1), ("beta", 1.0))}


def test_the_best_try_comes_first_and_more_tries_come_nearer(ledger, swept):
    study([FORWARD], ledger, tries=20)
    tries = tried(losses(ledger))[FORWARD]
    scores = [score for _, score in tries]
    assert scores == sorted(scores)
    assert abs(np.log2(tries[0][0].settings.learning_rate / BASE.learning_rate) - 1) < 0.3


def test_a_study_that_was_stopped_goes_on_where_it_was(ledger, swept, tmp_path):
    study([FORWARD, SYMMETRIC], ledger, tries=3)
    study([FORWARD, SYMMETRIC], ledger, tries=6)
    other = Ledger(tmp_path / "other.jsonl")
    study([FORWARD, SYMMETRIC], other, tries=6)
    assert tried(losses(ledger)) == tried(losses(other))
    assert len(list(ledger)) == 2 * 6 * len(tuning.SEEDS)


def test_what_is_proposed_to_an_arm_does_not_depend_on_the_others(ledger, swept, tmp_path):
    study([FORWARD, SYMMETRIC], ledger, tries=6)
    alone = Ledger(tmp_path / "alone.jsonl")
    study([SYMMETRIC], alone, tries=6)
    assert tried(losses(alone))[SYMMETRIC] == tried(losses(ledger))[SYMMETRIC]


def test_what_is_proposed_lies_within_the_bounds(ledger, swept):
    study([SYMMETRIC], ledger, tries=12)
    low, high = (bound * BASE.learning_rate for bound in tuning.RELATIVE_RATE)
    for choice, _ in tried(losses(ledger))[SYMMETRIC]:
        settings, options = choice.settings, dict(choice.options)
        assert low * 0.99 <= settings.learning_rate <= high * 1.01
        assert tuning.WEIGHT_DECAY[0] * 0.99 <= settings.weight_decay <= tuning.WEIGHT_DECAY[1] * 1.01
        assert 4 <= settings.epochs <= 12
        assert options.keys() == method("symmetric").options.keys()
        for name, (least, most, _) in method("symmetric").options.items():
            assert least * 0.99 <= options[name] <= most * 1.01
        assert dataclasses.replace(settings, learning_rate=0.1, weight_decay=0.1, epochs=1) == dataclasses.replace(
            BASE, learning_rate=0.1, weight_decay=0.1, epochs=1
        )


def test_a_trial_that_is_given_an_estimate_keeps_the_protocol_for_the_fit_that_it_is_read_from():
    other = dataclasses.replace(BASE, epochs=5)
    arm = dataclasses.replace(FORWARD, transition="anchor-97")
    trial = Choice(other).trial(arm, 5)
    assert (trial.settings, trial.seed, trial.transition) == (other, 5, "anchor-97")
    assert trial.prerequisite().settings == BASE
    assert Choice(other).trial(FORWARD, 5).base is None


def test_only_tries_that_are_scored_on_every_seed_count(ledger, made_up):
    first, second = (Choice(BASE).trial(FORWARD, seed) for seed in tuning.SEEDS)
    ledger.append(made_up(first, refitted_loss=1.0))
    assert tried(losses(ledger)) == {}
    ledger.append(made_up(second))  # without a score, as of the protocol's study
    assert tried(losses(ledger)) == {}
    ledger.append(made_up(second, refitted_loss=2.0))
    assert tried(losses(ledger)) == {FORWARD: [(Choice(BASE), 1.5)]}


def test_a_failed_trial_stops_a_study(ledger, monkeypatch):
    def sweep(trials, ledger, **_):
        ledger.append(Record(trial=trials[0], status="failed"))
        raise tuning_error

    tuning_error = RuntimeError("one of them failed")
    monkeypatch.setattr(tuning, "sweep", sweep)
    with pytest.raises(RuntimeError, match="one of them failed"):
        study([FORWARD], ledger, tries=2)


@pytest.mark.parametrize("name", METHODS)
def test_every_option_has_a_default_within_its_bounds(name):
    arm = dataclasses.replace(SYMMETRIC, method=name)
    defaults = tuning._default(arm)
    for option, (low, high, _) in method(name).options.items():
        assert low <= defaults[option] <= high


def recorded(ledger, made_up, arm, *by_choice):
    """The arm's tries with the losses given by seed, the first of them the protocol's; the choices."""
    first = tuning.untuned(arm)
    made = [
        dataclasses.replace(first, settings=dataclasses.replace(first.settings, epochs=20 + k)) if k else first
        for k in range(len(by_choice))
    ]
    for choice, each in zip(made, by_choice, strict=True):
        for seed, loss in zip(tuning.SEEDS, each, strict=False):
            ledger.append(made_up(choice.trial(arm, seed), refitted_loss=loss))
    return made


def test_losses_are_kept_by_seed_and_those_of_a_half_done_try_are_left_out(ledger, made_up):
    first, second, _ = recorded(ledger, made_up, FORWARD, (1.0, 1.2), (0.9, 1.4), (0.5,))
    assert losses(ledger) == {FORWARD: {first: [1.0, 1.2], second: [0.9, 1.4]}}
    assert tried(losses(ledger)) == {FORWARD: [(first, pytest.approx(1.1)), (second, pytest.approx(1.15))]}


def test_the_standard_error_is_that_of_normal_differences_and_does_not_mind_a_useless_try():
    """With 400 tries it is known to a part of 1.17 / sqrt(400), four of which one in 16,000 exceeds.

    A twentieth are useless and far apart: the median is then that at 0.526 of the others, 0.07 further up.
    """
    generator, deviation = np.random.default_rng(0), 0.3
    first = tuning.untuned(FORWARD)
    tries = {first: [0.0] * len(tuning.SEEDS)}
    for k in range(400):
        choice = dataclasses.replace(first, settings=dataclasses.replace(first.settings, epochs=20 + k))
        tries[choice] = generator.normal(0, 50 if k % 20 == 0 else deviation, len(tuning.SEEDS)).tolist()
    expected = deviation / len(tuning.SEEDS) ** 0.5
    assert tuning.standard_error({FORWARD: tries}) == pytest.approx(expected, rel=4 * 1.17 / 20 + 0.07)


@pytest.mark.parametrize(("gain", "replaced"), [(1.9, False), (2.1, True)])
def test_a_try_replaces_the_protocol_where_it_is_better_by_two_standard_errors(ledger, made_up, gain, replaced):
    # Two of the three differences to the protocol spread by 1 about their mean over the two seeds, one not at all.
    one = 1 / 0.6744897501960817  # of a standard error, as the median of a normal's absolute deviation has it
    first, *others = recorded(
        ledger, made_up, FORWARD, (5, 5), (5 - gain * one - 1, 5 - gain * one + 1), (7, 9), (8, 8)
    )
    assert settled(losses(ledger), tries=4) == {FORWARD: others[0] if replaced else first}
    assert settled(losses(ledger), tries=5) == {}


def test_an_arm_is_judged_by_the_spread_of_its_own_network_and_noise(ledger, made_up):
    _, better = recorded(ledger, made_up, FORWARD, (5, 5), (4.9, 4.9001))
    recorded(ledger, made_up, dataclasses.replace(FORWARD, noise="paper-0.6"), (5, 5), (1, 9))
    found = settled(losses(ledger), tries=2)
    assert found[FORWARD] == better
    assert found[dataclasses.replace(FORWARD, noise="paper-0.6")] == tuning.untuned(FORWARD)


@pytest.fixture
def choices(monkeypatch):
    """What is chosen: each with another number of epochs."""
    found = {
        dataclasses.replace(FORWARD, **fields): Choice(dataclasses.replace(BASE, epochs=epochs))
        for epochs, fields in enumerate(
            ({"noise": "paper-0.5"}, {"noise": "paper-0.6"}, {"noise": "paper-0.5", "transition": "alternating"},
             {"model": "alexnet"}, {"method": "mixup", "transition": None}), 1)
    }  # fmt: skip
    monkeypatch.setattr(tuning, "_chosen", lambda: found)
    return found


@pytest.mark.parametrize(
    ("fields", "epochs"),
    [
        ({}, 1),
        ({"noise": "paper-0.6"}, 2),
        ({"transition": "alternating"}, 3),
        ({"transition": "anchor-97"}, 1),
        ({"noise": "symmetric-0.1"}, 1),
        ({"noise": "symmetric-0.59"}, 2),
        ({"noise": "symmetric-0.59", "transition": "alternating"}, 2),
        ({"model": "alexnet", "noise": "symmetric-0.2"}, 4),
        ({"method": "mixup", "transition": None}, 5),
    ],
)
def test_an_arm_that_was_not_tuned_has_what_was_chosen_at_the_nearest_rate(choices, fields, epochs):
    assert chosen(dataclasses.replace(FORWARD, **fields)).settings.epochs == epochs


def test_a_method_that_was_never_tuned_on_a_data_set_has_the_protocol(choices):
    for arm in (dataclasses.replace(SYMMETRIC), dataclasses.replace(FORWARD, dataset="fashion-mnist", noise="clean")):
        assert chosen(arm) == Choice(protocol(arm.dataset, arm.model))


def test_options_at_their_defaults_are_left_out_of_what_is_reported(monkeypatch):
    default, other = Choice(BASE, (("alpha", 0.1), ("beta", 1.0))), Choice(BASE, (("alpha", 0.1), ("beta", 2.0)))
    for choice, reported in ((default, Choice(BASE)), (other, other)):
        monkeypatch.setattr(tuning, "_chosen", lambda choice=choice: {SYMMETRIC: choice})
        assert chosen(SYMMETRIC) == reported


def test_what_is_chosen_is_read_as_it_was_written(choices):
    with_options = choices | {SYMMETRIC: Choice(BASE, (("alpha", 0.25), ("beta", 3.0)))}
    assert read_chosen(write_chosen(with_options)) == with_options
    assert write_chosen(dict(reversed(with_options.items()))) == write_chosen(with_options)
    assert read_chosen(write_chosen({})) == {}


def test_the_package_has_what_was_chosen():
    text = tuning.CHOSEN.read_text()
    found, stored = read_chosen(text), json.loads(text)
    assert len(found) == len(stored)
    cells = Counter((entry["arm"]["noise"], entry["arm"]["model"]) for entry in stored)
    assert cells == dict.fromkeys(itertools.product(["paper-0.5", "paper-0.6"], ["lenet", "alexnet"]), 14)
    for entry in stored:
        arm = Arm(**entry["arm"])
        trial = dataclasses.asdict(found[arm].trial(arm, 3))
        assert {name: trial[name] for name in entry["arm"]} == entry["arm"]
        assert (trial["seed"], trial["settings"]) == (3, entry["settings"])
        assert dict(trial["options"] or ()) == dict(entry["options"])
