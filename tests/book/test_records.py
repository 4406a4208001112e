"""The records that are published are those that the pages show, each once."""

import json
from collections import Counter, defaultdict
from operator import attrgetter

import numpy as np
import pytest

from labelnoise.book import costs, parameters, plans, project
from labelnoise.trials import Ledger, tuning


def with_what_they_need(trials):
    needed = {}
    while trials:
        needed |= {trial.key: trial for trial in trials}
        trials = [first for trial in trials if (first := trial.prerequisite())]
    return needed


def of_the_best_tries():
    """The trials that chapter 7 shows where they are on record: with the best try in place of what is reported."""
    tried = tuning.tried(tuning.losses(project.tries()))
    return [plans.reported(arm, by_score[0][0], seed) for arm, by_score in tried.items() for seed in range(10)]


def test_every_record_is_there_once_and_serves_a_page():
    lines = project.published_ledger().path.read_text().splitlines()
    kept = Counter(json.loads(line)["key"] for line in lines)
    assert [key for key, times in kept.items() if times > 1] == []
    asked = with_what_they_need(parameters.planned_by_all()).keys()
    assert asked <= kept.keys()
    assert kept.keys() <= asked | with_what_they_need(of_the_best_tries()).keys()


@pytest.mark.parametrize("name", ["tuning", "rates"])
def test_every_try_of_a_choice_of_settings_is_there_once(name):
    tries = Ledger(project.root() / "results" / f"{name}.jsonl")
    assert len(list(tries)) == len(tries.path.read_text().splitlines())


def of_the_last_epoch(record):
    return record.history["noisy_validation_loss"][-1]


@pytest.mark.parametrize(
    ("training", "gentle", "loss"),
    [("plain", plans.GENTLE, attrgetter("refitted_loss")), ("modern", plans.GENTLE_MODERN, of_the_last_epoch)],
)
def test_the_gentle_setting_is_the_best_by_noisy_labels_on_average_over_the_methods(training, gentle, loss):
    losses = defaultdict(lambda: defaultdict(list))
    for record in project.every("rates"):
        if (record.trial.settings.averaging is None) == (training == "plain"):
            losses[record.trial.settings][record.trial.method, record.trial.transition].append(loss(record))
    assert len(losses) == 4
    assert len({tuple((arm, len(each)) for arm, each in sorted(by.items(), key=str)) for by in losses.values()}) == 1
    scores = {settings: [np.mean(each) for each in by.values()] for settings, by in losses.items()}
    assert min(scores, key=lambda settings: np.mean(scores[settings])) == gentle
    rows = costs.measured("alexnet_rate")["rows"]
    written = [row["score"] for row in rows if row["training"] == training]
    np.testing.assert_allclose(sorted(written), sorted(score for each in scores.values() for score in each), atol=1e-6)
