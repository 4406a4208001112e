"""Trials with a reader's own losses and estimators: the same fits, splits and flips, and keys of their own."""

import dataclasses
import hashlib
import json
import shutil
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load
from test_sweep import InProcess

from labelnoise.errors import InputError
from labelnoise.training import _loop as training
from labelnoise.training import _recipes as recipes
from labelnoise.trials import Ledger, Record, SweepFailed, ideas, missing, shown, sweep, tuning
from labelnoise.trials import _running as running
from labelnoise.trials._ideas import with_hashes

SOURCE = """
import numpy as np
import torch.nn.functional as F
from torch import nn
from labelnoise.estimators import anchor
def turned(probs, labels): return anchor(probs, labels)[::-1]
def picky(probs, labels):
    if len(labels) == 300: raise RuntimeError("too many")
    return anchor(probs, labels)
class Plain(nn.Module):
    def forward(self, logits, labels): return F.cross_entropy(logits, labels)
class Given(Plain):
    def __init__(self, transition_matrix):
        super().__init__()
        self.transition = transition_matrix
class Learner(nn.Module):
    def __init__(self, n_classes):
        super().__init__()
        self.weights = nn.Parameter(4 * torch.eye(n_classes))
    @property
    def transition_matrix(self): return self.weights.softmax(dim=1)
    def forward(self, logits, labels): return F.nll_loss((logits.softmax(1) @ self.transition_matrix).log(), labels)
""".replace("import numpy as np\n", "import torch\n")
TURNED, PLAIN, GIVEN = (f"ideas_of_test:{name}" for name in ("turned", "Plain", "Given"))


@pytest.fixture(autouse=True)
def source(tmp_path, monkeypatch):
    folder = tmp_path / "called_from"
    folder.mkdir()
    monkeypatch.setenv("LABELNOISE_FOLDER", str(folder))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    path = folder / "ideas_of_test.py"
    path.write_text(SOURCE)
    return path


@pytest.fixture
def fitted(monkeypatch):
    """Lists the weights that each training started from, and its images."""
    starts = []

    def fit(model, loss, train, *args, **kwargs):
        starts.append({name: weights.clone() for name, weights in model.state_dict().items()} | {"x": train.images})
        return training.fit(model, loss, train, *args, **kwargs)

    monkeypatch.setattr(recipes, "fit", fit)
    monkeypatch.setattr(running, "refitted_loss", lambda *args: 0.0)  # takes longer than so small a training
    return starts


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "runs" / "trials.jsonl", base=Ledger(tmp_path / "results" / "trials.jsonl"))


def test_the_name_in_a_trial_bears_the_hash_of_the_source(small, source):
    first = small(method=GIVEN, transition=TURNED)
    assert first.method.startswith(f"{GIVEN}@")
    assert first.transition.startswith(f"{TURNED}@")
    assert first == small(method=GIVEN, transition=TURNED) == dataclasses.replace(first)
    source.write_text(SOURCE + "# changed\n")
    second = small(method=GIVEN, transition=TURNED)
    assert second.key != first.key
    assert second.prerequisite() == first.prerequisite() == small()


def test_names_of_the_book_stay_as_they_are(small):
    asked = small(method="forward", transition="anchor-97")
    assert (asked.method, asked.transition) == ("forward", "anchor-97")
    assert ideas([asked, small()], ["dual-t"]) == []
    assert ideas([small(method=GIVEN, transition="true")], [TURNED]) == [
        small(method=PLAIN).method.replace("Plain", "Given"),
        TURNED,
    ]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"method": "ideas_of_test:Nothing"}, "The method ideas_of_test:Nothing can't be imported"),
        ({"method": PLAIN, "transition": "true"}, "ideas_of_test:Plain can't take its transition matrix from 'true'"),
        ({"method": GIVEN}, "ideas_of_test:Given can't take its transition matrix from None; use one of: true,"),
        ({"transition": TURNED}, "cross-entropy can't take its transition matrix from 'ideas_of_test:turned'"),
        ({"method": "forward", "transition": PLAIN}, "The estimator ideas_of_test:Plain fails: TypeError"),
        ({"method": PLAIN, "trace": True}, "trace must be True, for cross-entropy only"),
    ],
)
def test_a_mistake_is_told_when_the_trial_is_made(small, fields, reason):
    with pytest.raises(InputError, match=reason):
        small(**fields)


def test_an_own_loss_has_the_published_settings(small):
    arm = tuning.Arm("fashion-mnist-3", "symmetric-0.3", "lenet", GIVEN, "true")
    plain = tuning.Arm("fashion-mnist-3", "symmetric-0.3", "lenet", "cross-entropy")
    assert tuning.chosen(arm) == tuning.chosen(plain)


def test_an_own_loss_meets_the_others_in_pairs(small, ledger, fitted):
    plain, own = sweep([small(), small(method=PLAIN)], ledger, InProcess())
    assert own.trial.method != plain.trial.method
    for name in fitted[0]:
        assert torch.equal(fitted[0][name], fitted[1][name])
    assert own.history == plain.history  # the same loss under another name
    assert own.weights_sha256 == plain.weights_sha256


def test_an_own_estimator_reads_the_kept_fit_without_training_and_leaves_the_base_alone(small, ledger, fitted):
    (before,) = sweep([small()], ledger.base, InProcess())
    kept = ledger.base.path.read_bytes()
    assert missing([small()], ledger, [TURNED]) == [small()]
    (after,) = sweep([small()], ledger, InProcess(), estimators=[TURNED, "anchor-97"])
    assert len(fitted) == 1
    assert ledger.base.path.read_bytes() == kept
    assert missing([small()], ledger, [TURNED]) == []
    (name,) = with_hashes([TURNED])
    np.testing.assert_array_equal(after.transition_matrices[name], before.transition_matrices["anchor-max"][::-1])
    np.testing.assert_array_equal(after.deviations[name], np.array(before.deviations["anchor-max"])[::-1])
    others = {key: value for key, value in after.transition_matrices.items() if key != name}
    assert others == before.transition_matrices


def test_a_changed_estimator_reads_the_fit_again_and_the_old_one_stays(small, ledger, fitted, source):
    sweep([small()], ledger, InProcess(), estimators=[TURNED])
    (old,) = with_hashes([TURNED])
    source.write_text(SOURCE.replace("[::-1]", "[::-1].copy()"))
    assert missing([small()], ledger, [TURNED]) == [small()]
    (record,) = sweep([small()], ledger, InProcess(), estimators=[TURNED])
    assert len(fitted) == 1
    assert {old, *with_hashes([TURNED])} < set(record.transition_matrices)


def test_a_fit_whose_weights_are_gone_is_trained_again_in_the_own_ledger(small, ledger, fitted):
    sweep([small()], ledger.base, InProcess())
    shutil.rmtree(ledger.base.path.with_suffix(".fits"))
    kept = ledger.base.path.read_bytes()
    sweep([small()], ledger, InProcess(), estimators=[TURNED])
    assert len(fitted) == 2
    assert ledger.base.path.read_bytes() == kept
    assert not ledger.base.path.with_suffix(".fits").exists()
    assert ledger.find_fit(small()).has(with_hashes([TURNED]))


def test_a_warm_start_begins_from_weights_that_only_the_own_ledger_keeps(small, ledger, fitted):
    sweep([small()], ledger.base, InProcess())
    shutil.rmtree(ledger.base.path.with_suffix(".fits"))
    sweep([small(method="forward-warm", transition="true")], ledger, InProcess())
    start = load(ledger.find_fit(small()).weights)
    assert all(torch.equal(fitted[2][name], start[name]) for name in start)


def test_a_method_is_given_the_t_of_an_own_estimator(small, ledger, fitted, monkeypatch):
    given = []
    monkeypatch.setattr(
        running, "train_by", lambda *args, **kwargs: given.append(args[3]) or recipes.train_by(*args, **kwargs)
    )
    asked = [small(method=method, transition=TURNED) for method in ("forward", GIVEN)]
    sweep(asked, ledger, InProcess())
    plain = ledger.find(small())
    for matrix in given[1:]:
        np.testing.assert_array_equal(matrix, plain.transition_matrices["anchor-max"][::-1])
    assert len(fitted) == len(given) == 3


def test_an_own_loss_that_learns_t_has_it_in_its_record(small, ledger, fitted):
    (record,) = sweep([small(method="ideas_of_test:Learner")], ledger, InProcess())
    matrix = shown(record).transition_matrices["ideas_of_test:Learner"]
    np.testing.assert_allclose(np.sum(matrix, axis=1), 1)


def test_a_fit_is_kept_if_an_own_estimator_fails_on_it(small, ledger, fitted):
    with pytest.raises(SweepFailed, match="The estimator ideas_of_test:picky fails: RuntimeError: too many"):
        sweep([small()], ledger, InProcess(), estimators=["ideas_of_test:picky"])
    assert missing([small()], ledger) == []
    sweep([small()], ledger, InProcess(), estimators=[TURNED])
    assert len(fitted) == 1


def test_a_page_is_shown_the_own_estimators_that_it_asks_for_under_their_names(small, made_up, source):
    own, other = with_hashes([TURNED, "ideas_of_test:picky"])
    record = made_up(small())
    mine = [[1.0, 0.0, 0.0]] * 3
    full = dataclasses.replace(
        record,
        transition_matrices={**record.transition_matrices, own: mine, other: mine},
        deviations={**record.deviations, own: mine, other: mine},
    )
    assert shown(record, [TURNED]) is record
    assert shown(full) == record
    seen = shown(full, [TURNED])
    assert seen.transition_matrices == {**record.transition_matrices, TURNED: mine}
    assert seen.deviations == {**record.deviations, TURNED: mine}
    source.write_text(SOURCE + "# changed\n")
    assert shown(full, [TURNED]) == record


def test_a_ledger_is_read_when_the_source_of_an_idea_is_gone(small, ledger, made_up):
    asked = small(method=PLAIN)
    for record in (made_up(asked), made_up(small())):
        ledger.append(record)
    assert {record.trial for record in ledger} == {asked, small()}
    line = ledger.path.read_text().splitlines()[0]
    values = json.loads(line)
    values["trial"]["method"] = f"{PLAIN}@00000000"
    with pytest.raises(InputError, match="has changed meanwhile"):
        Record.from_json({name: value for name, value in values.items() if name not in ("key", "sha256")})
    ledger.path.write_text(encoded_again(values) + ledger.path.read_text())
    again = Ledger(ledger.path)
    assert {record.trial for record in again} == {asked, small()}


def encoded_again(values):
    body = json.dumps({k: v for k, v in values.items() if k not in ("key", "sha256")}, separators=(", ", ": "))[1:]
    key = "0" * 16
    return f'{{"key": "{key}", "sha256": "{hashlib.sha256((key + body).encode()).hexdigest()}", {body}\n'


def test_a_worker_process_finds_the_folder(small, ledger, monkeypatch, tmp_path):
    monkeypatch.delenv("LABELNOISE_FOLDER")
    monkeypatch.chdir(tmp_path / "called_from")
    records = sweep([small(method=GIVEN, transition=TURNED)], ledger, workers=1)
    assert records[0].complete
    assert ledger.find(small(), with_hashes([TURNED]))
