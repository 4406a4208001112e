import dataclasses
import shutil
from pathlib import Path

import pytest
import torch

from labelnoise.data import sources
from labelnoise.errors import InputError
from labelnoise.training import _precision
from labelnoise.trials import Ledger, missing, provenance, run
from labelnoise.trials.replay import LOSS_TOLERANCE, Comparison, choose, replay


@pytest.fixture(scope="module")
def ledger(tmp_path_factory, tiny):
    """Trials given an estimated T or weights, and the one that they have them from, read from disk again."""
    path = tmp_path_factory.mktemp("replay") / "trials.jsonl"
    written = Ledger(path)
    asked = [
        tiny(method="forward", transition="anchor-97", images=300),
        tiny(method="forward-warm", transition="true", images=300),
    ]
    for trial in missing(asked, written):
        needed = trial.prerequisite()
        written.append(run(trial, written.find_fit(needed) if needed else None))
    shutil.rmtree(path.with_suffix(".fits"))  # as in a fresh clone
    return Ledger(path)


def test_the_same_specification_gives_the_same_bits(ledger):
    records = list(ledger)
    comparisons = replay(records, ledger)
    assert [comparison.recorded for comparison in comparisons] == records
    assert [comparison.replayed.trial for comparison in comparisons] == [record.trial for record in records]
    for comparison in comparisons:
        assert comparison.exact
        assert comparison.agrees
        assert comparison.loss_difference == 0


def test_a_record_without_that_of_its_estimate_can_not_be_replayed(ledger, tmp_path):
    dependent = next(record for record in ledger if record.trial.transition == "anchor-97")
    alone = Ledger(tmp_path / "alone.jsonl")
    alone.append(dependent)
    with pytest.raises(InputError, match="needs the record of its cross-entropy trial"):
        replay([dependent], alone)


def here(record):
    return dataclasses.replace(record, provenance=provenance.here(precision=record.trial.settings.precision))


def elsewhere(record, **fields):
    return dataclasses.replace(record, provenance=provenance.here() | fields)


def with_history(record, name, values):
    return dataclasses.replace(record, history={**record.history, name: values})


CHANGES = {
    "weights": lambda r: dataclasses.replace(r, weights_sha256="f" * 64),
    "history": lambda r: with_history(r, "clean_test_accuracy", [0.75, 0.500001]),
    "loss": lambda r: with_history(r, "noisy_validation_loss", [1.000001, 1.2]),
    "best epoch": lambda r: dataclasses.replace(r, best_epoch=1),
    "T": lambda r: dataclasses.replace(r, transition_matrices={"oracle": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}),
    "missing T": lambda r: dataclasses.replace(r, transition_matrices={}),
    "probabilities": lambda r: dataclasses.replace(r, prob_quantiles=[[[0.1] * 5] * 3] * 3),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_any_difference_counts_on_the_same_build(made_up, change):
    record = here(made_up())
    assert Comparison(record, record).agrees
    assert not Comparison(change(record), record).agrees
    assert not Comparison(record, change(record)).agrees


def test_time_and_date_do_not_count(made_up):
    record = here(made_up())
    later = dataclasses.replace(elsewhere(record, date="2000-01-01", python="3.0", labelnoise="0"), seconds=99)
    assert Comparison(later, record).exact
    assert Comparison(later, record).agrees


@pytest.mark.parametrize("name", ["processor", "instructions", "torch"])
def test_on_another_processor_or_build_the_tolerance_applies(made_up, name):
    record = here(made_up())

    def moved(by):
        loss = [1.0 + by, 1.2]
        changed = dataclasses.replace(with_history(record, "noisy_validation_loss", loss), weights_sha256="f" * 64)
        return Comparison(elsewhere(changed, **{name: "another"}), record)

    assert not moved(0).exact
    assert moved(0).agrees
    for sign in (1, -1):
        near, far = moved(sign * 0.99 * LOSS_TOLERANCE), moved(sign * 1.01 * LOSS_TOLERANCE)
        assert near.agrees
        assert not far.agrees
        assert far.loss_difference == pytest.approx(1.01 * LOSS_TOLERANCE)


def in_bfloat16(tiny, made_up, **fields):
    """A record of a trial that asks for bfloat16, made on this machine."""
    settings = dataclasses.replace(tiny().settings, precision="bfloat16")
    return made_up(tiny(settings=settings), provenance=provenance.here(**fields))


@pytest.mark.parametrize("now", [True, False])
@pytest.mark.parametrize("then", ["bfloat16", "float32"])
def test_a_record_is_compared_to_the_bit_in_the_precision_that_it_was_made_in(tiny, made_up, monkeypatch, then, now):
    monkeypatch.setattr(_precision, "has_bfloat16", lambda device="cpu": now)
    record = in_bfloat16(tiny, made_up)
    record = dataclasses.replace(record, provenance={**record.provenance, "precision": then})
    other = dataclasses.replace(record, weights_sha256="f" * 64)
    assert Comparison(record, other).exact == (now == (then == "bfloat16"))
    assert Comparison(record, other).agrees != Comparison(record, other).exact
    far = with_history(record, "noisy_validation_loss", [1.0 + 1.01 * LOSS_TOLERANCE, 1.2])
    assert not Comparison(record, far).agrees


@pytest.mark.parametrize("now", [True, False])
def test_a_record_that_does_not_say_was_made_in_the_precision_of_its_setting(tiny, made_up, monkeypatch, now):
    monkeypatch.setattr(_precision, "has_bfloat16", lambda device="cpu": now)
    record = in_bfloat16(tiny, made_up)
    assert "precision" not in record.provenance
    assert Comparison(record, record).exact == now
    full = dataclasses.replace(record, trial=tiny())
    assert Comparison(full, full).exact


def test_on_a_gpu_the_tolerance_applies(made_up, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Some GPU")
    record = dataclasses.replace(made_up(), provenance=provenance.here("cuda", "float32"))
    assert (record.provenance["processor"], record.provenance["instructions"]) == ("Some GPU", "cuda")
    other = dataclasses.replace(record, weights_sha256="f" * 64)
    for device in ("cpu", "cuda"):
        assert not Comparison(record, other, device).exact
        assert Comparison(record, other, device).agrees


def test_without_a_gpu_none_is_used(ledger, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="There is no GPU here"):
        replay(list(ledger), ledger, "cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_on_a_gpu_a_trial_is_trained_again(ledger):
    for comparison in replay(list(ledger), ledger, "cuda"):
        assert comparison.replayed.provenance["instructions"] == "cuda"
        assert not comparison.exact


def test_each_record_is_read_at_its_own_best_epoch(made_up):
    record = here(made_up())
    other = dataclasses.replace(with_history(record, "noisy_validation_loss", [2.0, 1.01]), best_epoch=1)
    comparison = Comparison(elsewhere(other, processor="another"), record)
    assert comparison.loss_difference == pytest.approx(0.01)
    assert comparison.agrees


def test_a_record_without_provenance_is_not_compared_to_the_bit(made_up):
    assert not Comparison(made_up(), made_up()).exact


@pytest.fixture
def filled(tmp_path, tiny, made_up):
    def fill(name, seeds):
        ledger = Ledger(tmp_path / name)
        for seed in seeds:
            ledger.append(made_up(tiny(seed=seed)))
        return ledger

    return fill


def test_the_choice_depends_on_the_seed_and_not_on_the_order_of_lines(filled):
    one, other = filled("one", range(20)), filled("other", reversed(range(20)))
    chosen = choose(one, 5, seed=0)
    assert len({record.trial for record in chosen}) == 5
    assert chosen == choose(one, 5, seed=0) == choose(other, 5, seed=0)
    assert any(chosen != choose(one, 5, seed=seed) for seed in range(1, 4))


def test_every_record_can_be_chosen(filled):
    ledger = filled("one", range(4))
    assert {record.trial for seed in range(100) for record in choose(ledger, 1, seed)} == {r.trial for r in ledger}


@pytest.mark.parametrize("place", [None, Path("votes.csv")])
def test_votes_that_are_not_here_are_not_trained_with_again(filled, monkeypatch, made_up, tiny, place):
    ledger = filled("one", range(3))
    human = made_up(tiny(dataset="fashion-mnist-h-3", noise="human"))
    ledger.append(human)
    monkeypatch.setattr(sources, "found_votes", lambda: place)
    assert (human.trial in {record.trial for record in choose(ledger, 9, seed=0)}) == (place is not None)


def test_where_there_are_fewer_all_are_chosen(filled):
    ledger = filled("one", range(3))
    assert {record.trial for record in choose(ledger, 5, seed=0)} == {record.trial for record in ledger}
    assert choose(filled("none", []), 5, seed=0) == []
