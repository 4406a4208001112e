"""Training by a named method, on images that a network of one layer tells apart."""

import numpy as np
import pytest
import torch
from torch import nn

from labelnoise import noise
from labelnoise.losses import CrossEntropy, Forward
from labelnoise.training import (
    Alternation,
    CrossFit,
    LinearOnGradients,
    Pair,
    Settings,
    Split,
    Splits,
    fit,
    oriented_gradients,
    seeded,
    train_by,
)
from labelnoise.training import _gradients as gradients
from labelnoise.transitions import symmetric

T = symmetric(2, 0.2)
SETTINGS = Settings(epochs=2, batch_size=32, learning_rate=0.03, weight_decay=1e-4)


def split(n, seed):
    generator = np.random.default_rng(seed)
    clean = np.arange(n) % 2
    images = generator.normal(size=(n, 1, 4, 4)) + 2 * clean.reshape(n, 1, 1, 1)
    noisy = noise.corrupt(clean, T, generator)
    return Split(torch.from_numpy(images).float(), torch.from_numpy(noisy), torch.from_numpy(clean))


@pytest.fixture(scope="module")
def splits():
    return Splits(split(160, 0), split(40, 1), split(30, 2))


def network(seed=0):
    with seeded(seed):
        return nn.Sequential(nn.Flatten(), nn.Linear(16, 2))


def train(name, splits, matrix=None, networks=None, **chosen):
    chosen = {"n_classes": 2, "seed": 5, "graph_seed": 6} | chosen
    return train_by(name, networks or [network()], splits, matrix, SETTINGS, **chosen)


def alike(first, second):
    return all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def plain(loss, train, splits, start=None):
    return fit(start or network(), loss, train, splits.validation, splits.test, SETTINGS, seed=5)


@pytest.mark.parametrize(
    ("name", "matrix", "loss"), [("cross-entropy", None, CrossEntropy()), ("forward", T, Forward(T))]
)
def test_a_method_that_has_a_loss_alone_is_a_fit_with_that_loss(splits, name, matrix, loss):
    done, expected = train(name, splits, matrix), plain(loss, splits.train, splits)
    assert alike(done.model, expected.model)
    assert done.history == expected.history


def test_a_refit_learns_from_all_noisy_images_and_its_last_epoch_counts(splits):
    done, expected = train("cross-entropy", splits, refit=True), plain(CrossEntropy(), splits.noisy, splits)
    assert alike(done.model, expected.model)
    assert done.best_model is done.model
    assert done.best_epoch == len(done.history) - 1 == SETTINGS.epochs - 1


def test_a_warm_start_goes_on_from_the_weights_and_others_leave_them_alone(splits):
    warm = network(9)
    weights = warm.state_dict()
    done, cold = (train(name, splits, T, warm=weights) for name in ("forward-warm", "forward"))
    assert alike(warm, network(9))
    assert alike(done.model, plain(Forward(T), splits.train, splits, network(9)).model)
    assert alike(cold.model, plain(Forward(T), splits.train, splits).model)


def test_a_pair_learns_together(splits):
    done = train("co-teaching", splits, networks=[network(0), network(1)])
    assert isinstance(done.model, Pair)
    assert not alike(done.model.first, network(0))
    assert not alike(done.model.second, network(1))


def test_features_that_no_label_has_a_say_in_are_computed_once_and_the_fit_is_the_same(splits, monkeypatch):
    asked = []

    def counted(images):
        asked.append(len(images))
        return oriented_gradients(images)

    def linear():
        with seeded(3):
            return LinearOnGradients(2, 1, 4)

    expected = plain(CrossEntropy(), splits.train, splits, linear())
    made = linear()
    monkeypatch.setattr(gradients, "oriented_gradients", counted)
    done = train("cross-entropy", splits, networks=[made])
    assert asked == [160, 40, 30]
    torch.testing.assert_close(done.model.state_dict(), expected.model.state_dict())
    assert done.model(splits.test.images).shape == (30, 2)  # it still takes images


@pytest.mark.parametrize("refit", [False, True])
def test_a_graph_is_of_all_noisy_images_and_speaks_of_those_that_are_learned_from(splits, refit):
    learned = splits.noisy if refit else splits.train
    done = train("graph-forward", splits, T, refit=refit)
    soft_labels = done.best_loss.soft_labels.numpy()
    assert soft_labels.shape == (len(learned.images), 2)
    # In another order half of them would be right, with a deviation of 0.04.
    assert (soft_labels.argmax(axis=1) == learned.clean_labels.numpy()).mean() > 0.8


def test_options_reach_the_loss(splits):
    first, other = (train("mixup", splits, options=options) for options in (None, {"alpha": 5.0}))
    assert first.best_loss.alpha == 1.0
    assert other.best_loss.alpha == 5.0
    assert not alike(first.model, other.model)


@pytest.mark.parametrize(
    ("name", "matrix", "kind"), [("cross-fitting", None, CrossFit), ("alternating", T, Alternation)]
)
def test_folds_are_trained_in_turns_with_the_matrix_where_the_method_learns_it(splits, name, matrix, kind):
    networks = [network(seed) for seed in range(3)]
    done = train(name, splits, matrix, networks)
    assert isinstance(done, kind)
    assert done.probs.shape == (200, 2)
    # Each by a network that has not seen the image's label; by chance it would be half, with a deviation of 0.04.
    assert (done.probs.argmax(axis=1) == splits.noisy.clean_labels.numpy()).mean() > 0.7
