"""The records that are published are those that the pages show, each once."""

import json
from collections import Counter, defaultdict

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


def test_the_gentle_setting_is_the_best_by_noisy_labels_for_each_method_that_was_tried():
    losses = defaultdict(list)
    for record in project.every("rates"):
        losses[record.trial.method, record.trial.transition, record.trial.settings].append(record.refitted_loss)
    scores = {arm: np.mean(each) for arm, each in losses.items()}
    assert {len(each) for each in losses.values()} == {4}
    methods = {arm[:2] for arm in scores}
    assert len(methods) == 4
    for method in methods:
        assert min((arm for arm in scores if arm[:2] == method), key=scores.get)[2] == plans.GENTLE
    written = [row["score"] for row in costs.measured("alexnet_rate")["rows"]]
    np.testing.assert_allclose(sorted(written), sorted(scores.values()), atol=1e-6)
