"""The records that are published are those that the pages show, each once."""

import json
from collections import Counter

from labelnoise.book import parameters, plans, project
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


def test_every_try_of_the_tuning_is_there_once():
    tries = Ledger(project.root() / "results" / "tuning.jsonl")
    assert len(list(tries)) == len(tries.path.read_text().splitlines())
