"""Losses of a reader's own: what they are given, and that they are tried before anything is trained."""

import sys

import numpy as np
import pytest
import torch

from labelnoise.errors import InputError
from labelnoise.training import Settings, Split, Splits, build, method, train_by, try_method
from labelnoise.transitions import symmetric

LOSSES = """
import torch
import torch.nn.functional as F
from torch import nn
class Plain(nn.Module):
    def forward(self, logits, labels): return F.cross_entropy(logits, labels)
class WithT(Plain):
    def __init__(self, transition_matrix, power=2.0):
        super().__init__()
        self.given = transition_matrix, power
class WithAll(Plain):
    def __init__(self, n_classes, n_samples, *, soft_labels, transition_matrix):
        super().__init__()
        self.given = n_classes, n_samples, soft_labels.shape, transition_matrix.shape
class Learner(nn.Module):
    def __init__(self, n_classes):
        super().__init__()
        self.weights = nn.Parameter(3 * torch.eye(n_classes))
    @property
    def transition_matrix(self): return self.weights.softmax(dim=1)
    def forward(self, logits, labels):
        return F.nll_loss((logits.softmax(dim=1) @ self.transition_matrix).log(), labels)
class Batches(Plain):
    def on_batch(self, predict, batch):
        return self(predict(batch.images), batch.noisy_labels) * (1 + batch.rows.float().mean() * 0)
def made(n_classes): return Plain()
class Raises(nn.Module):
    def forward(self, logits, labels): raise KeyError("a")
class Nan(Plain):
    def forward(self, logits, labels): return super().forward(logits, labels) * float("nan")
class Each(nn.Module):
    def forward(self, logits, labels): return F.cross_entropy(logits, labels, reduction="none")
class Number(nn.Module):
    def forward(self, logits, labels): return 1.0
class Constant(nn.Module):
    def forward(self, logits, labels): return torch.tensor(1.0)
class Three(nn.Module):
    def forward(self, logits, labels): return F.cross_entropy(logits @ torch.eye(3), labels)
class Keeps(Plain):
    def forward(self, logits, labels):
        if self.training: self.kept = logits * 2
        return super().forward(logits, labels)
class Rate(Plain):
    def __init__(self, rate): super().__init__()
class Soft(Plain):
    def __init__(self, soft_labels): super().__init__()
class BadT(Learner):
    @property
    def transition_matrix(self): return self.weights
    def forward(self, logits, labels): return F.cross_entropy(logits @ self.weights, labels)
class Later(Plain):
    steps = 0
    def forward(self, logits, labels):
        self.steps += self.training
        return super().forward(logits, labels) * (float("nan") if self.steps > 2 else 1.0)
class Breaks(Plain):
    def forward(self, logits, labels):
        if len(labels) == 20: raise RuntimeError("twenty")
        return super().forward(logits, labels)
def no_module(n_classes): return 3
value = 3
"""


@pytest.fixture(autouse=True)
def losses(tmp_path, monkeypatch):
    monkeypatch.setenv("LABELNOISE_FOLDER", str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "losses_of_test.py").write_text(LOSSES)


def test_a_loss_is_given_what_its_arguments_are_called():
    matrix = symmetric(3, 0.2)
    assert method("losses_of_test:Plain").takes == ()
    assert not method("losses_of_test:Plain").needs_transition
    given, power = method("losses_of_test:WithT").make_loss(matrix, 3, 10).given
    assert given is matrix
    assert power == 2
    recipe = method("losses_of_test:WithAll")
    assert recipe.make_loss(matrix, 3, 10, np.ones((10, 3)) / 3).given == (3, 10, (10, 3), (3, 3))
    assert recipe.needs_soft_labels
    assert recipe.title == "losses_of_test:WithAll"


@pytest.mark.parametrize("name", ["Plain", "WithT", "WithAll", "Learner", "Batches", "made"])
@pytest.mark.parametrize("n_classes", [2, 10])
def test_a_good_one_passes_and_leaves_torchs_random_numbers_alone(name, n_classes):
    state = torch.random.get_rng_state()
    try_method(f"losses_of_test:{name}", n_classes)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert method(f"losses_of_test:{name}").learns_transition == (name == "Learner")


@pytest.mark.parametrize(
    ("name", "n_classes", "reason"),
    [
        ("Raises", 3, "The method NAME fails: KeyError: 'a'"),
        ("Nan", 3, "The method NAME must give a finite mean loss in training, not nan"),
        ("Each", 3, r"The method NAME must give a finite mean loss in training, not shape \(12,\)"),
        ("Number", 3, "The method NAME must give a finite mean loss in training, not 1.0"),
        ("Constant", 3, "The loss of the method NAME has no gradient"),
        ("Three", 10, "The method NAME fails: RuntimeError"),
        ("Keeps", 3, "The method NAME fails: RuntimeError: Only Tensors created explicitly"),
        ("Rate", 3, "The method NAME takes 'rate', which no loss is given"),
        ("Soft", 3, "The method NAME takes soft_labels, which are made by T"),
        ("BadT", 3, "The method NAME fails: InputError: Row 0 of the transition matrix"),
        ("no_module", 3, "The method NAME must make a torch.nn.Module, not 3"),
        ("value", 3, "The method NAME must be a class of torch.nn.Module, not 3"),
    ],
)
def test_a_bad_one_is_told_in_a_sentence_with_its_name(name, n_classes, reason):
    full = f"losses_of_test:{name}"
    with pytest.raises(InputError, match=reason.replace("NAME", full)) as told:
        try_method(full, n_classes)
    assert full in str(told.value)
    assert "\n" not in str(told.value)


def trained(name):
    generator = torch.Generator().manual_seed(0)
    images, labels = torch.randn(60, 1, 28, 28, generator=generator), torch.arange(60) % 3
    whole = Split(images, labels, labels)
    settings = Settings(epochs=2, batch_size=20, learning_rate=1e-3, weight_decay=0.0)
    splits = Splits(whole, whole[:9], whole[:9])
    return train_by(name, [build("lenet", 3, seed=0)], splits, None, settings, n_classes=3, seed=0, graph_seed=0)


def test_it_is_trained_as_the_same_loss_of_the_book_is():
    own, book = trained("losses_of_test:Plain"), trained("cross-entropy")
    assert own.history == book.history
    assert all(map(torch.equal, own.model.state_dict().values(), book.model.state_dict().values()))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Later", "The loss of the method NAME is not finite in epoch 1"),
        ("Breaks", "The method NAME fails: .*: twenty"),
    ],
)
def test_one_that_goes_wrong_while_it_is_trained_is_told_with_its_name(name, reason):
    try_method(f"losses_of_test:{name}", 3)
    with pytest.raises(InputError, match=reason.replace("NAME", f"losses_of_test:{name}")):
        trained(f"losses_of_test:{name}")
