"""Nothing is trained twice: fits are shared by the estimators that read them and the methods that start from them."""

import dataclasses
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load
from test_sweep import InProcess

from labelnoise.errors import InputError
from labelnoise.estimators import _registry as estimators
from labelnoise.training import _loop as training
from labelnoise.training import _recipes as recipes
from labelnoise.trials import Ledger, Record, missing, sweep
from labelnoise.trials import _running as running


@pytest.fixture
def fitted(monkeypatch):
    """Lists the weights that each training started from."""
    starts = []

    def fit(model, *args, **kwargs):
        starts.append({name: weights.clone() for name, weights in model.state_dict().items()})
        return training.fit(model, *args, **kwargs)

    monkeypatch.setattr(recipes, "fit", fit)
    monkeypatch.setattr(running, "refitted_loss", lambda *args: 0.0)  # takes longer than so small a training
    return starts


@pytest.fixture
def new_estimator(monkeypatch):
    def add(name="upside-down"):
        monkeypatch.setitem(
            estimators.ESTIMATORS, name, lambda probs, labels: estimators.anchor(probs, labels)[::-1].copy()
        )

    return add


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "records.jsonl")


def family(small, seed):
    """Four trials that read or start from one cross-entropy fit, which is not among them."""
    return [
        small(seed=seed, method="forward", transition="anchor-97"),
        small(seed=seed, method="backward", transition="anchor-max"),
        small(seed=seed, method="forward-warm", transition="true"),
        small(seed=seed, method="forward-warm", transition="anchor-97"),
    ]


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_trials_that_share_a_fit_train_it_once(ledger, small, fitted):
    trials = family(small, 0)
    sweep(trials[:2], ledger, InProcess())
    assert len(fitted) == 1 + 2
    sweep([*trials, small(seed=0), *family(small, 1)[:1]], ledger, InProcess())
    assert len(fitted) == (1 + 4) + (1 + 1)


def test_a_warm_start_begins_at_the_best_epoch_of_the_fit(ledger, small, fitted):
    asked = small(method="forward-warm", transition="true", noise="symmetric-0.2")
    sweep([asked], ledger, InProcess())
    plain = ledger.find_fit(asked.prerequisite())
    assert equal(fitted[1], load(plain.weights))
    assert not equal(fitted[0], fitted[1])


def test_a_new_estimator_reads_the_kept_fits_without_training(ledger, small, fitted, new_estimator):
    plain = small()
    (before,) = sweep([plain], ledger, InProcess())
    new_estimator()
    assert missing([plain], ledger) == []
    assert sweep([plain], ledger, InProcess()) == [before]
    assert missing([plain], ledger, ["upside-down"]) == [plain]
    (after,) = sweep([plain], ledger, InProcess(), estimators=["upside-down"])
    assert len(fitted) == 1
    old = dict(after.transition_matrices)
    assert np.array_equal(old.pop("upside-down"), old["anchor-max"][::-1])
    spreads = {name: spread for name, spread in after.deviations.items() if name != "upside-down"}
    assert dataclasses.replace(after, transition_matrices=old, deviations=spreads) == before
    assert Ledger(ledger.path).find(plain) == after


def test_a_fit_whose_weights_are_gone_is_trained_again_for_a_new_estimator(ledger, small, fitted, new_estimator):
    (before,) = sweep([small()], ledger, InProcess())
    shutil.rmtree(ledger.path.with_suffix(".fits"))
    new_estimator()
    (after,) = sweep([small()], ledger, InProcess(), estimators=["upside-down"])
    assert len(fitted) == 2
    assert equal(*fitted)
    assert after.has(["upside-down"])
    assert after.weights_sha256 == before.weights_sha256


def test_a_new_estimator_reads_fits_of_the_base_ledger(ledger, tmp_path, small, fitted, new_estimator):
    plain = small()
    sweep([plain], ledger, InProcess())
    new_estimator()
    above = Ledger(tmp_path / "above" / "records.jsonl", base=ledger)
    sweep([dataclasses.replace(plain, method="forward", transition="upside-down")], above, InProcess())
    assert len(fitted) == 2
    assert above.find(plain, ["upside-down"]) is not None
    assert ledger.find(plain, ["upside-down"]) is None


def test_weights_that_are_gone_are_trained_again_and_the_record_stays(ledger, small, fitted, monkeypatch):
    asked = small(method="forward-warm", transition="true")
    (before,) = sweep([asked.prerequisite()], ledger, InProcess())
    shutil.rmtree(ledger.path.with_suffix(".fits"))
    lines = ledger.path.read_text().count("\n")
    assert missing([asked], ledger) == [asked.prerequisite(), asked]
    sweep([asked], ledger, InProcess())
    assert len(fitted) == 3
    assert equal(fitted[0], fitted[1])
    assert ledger.find(asked.prerequisite()) == before
    assert ledger.path.read_text().count("\n") == lines + 1
    assert missing([asked], ledger) == []


@pytest.mark.parametrize("given", ["nothing", "no weights", "another trial"])
def test_a_warm_start_without_its_fit_is_refused(small, made_up, given):
    asked = small(method="forward-warm", transition="true")
    record: Record | None = None
    if given != "nothing":
        record = made_up(small(seed=1 if given == "another trial" else 0))
    with pytest.raises(InputError, match="needs the record and weights of its cross-entropy trial"):
        running.run(asked, record)
