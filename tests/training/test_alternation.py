import copy
import dataclasses

import numpy as np
import pytest
import scipy.stats
import torch
from torch import nn

from labelnoise import noise, transitions
from labelnoise.estimators import maximum_likelihood, tempered_likelihood
from labelnoise.losses import CrossEntropy, Forward
from labelnoise.training import Epoch, Fit, Settings, Split, alternate, cross_fit, predict_probs, seeded
from labelnoise.training import _alternation as alternation
from labelnoise.training import _loop as training

T = np.array([[0.8, 0.15, 0.05], [0.1, 0.7, 0.2], [0.2, 0.1, 0.7]])
QUICK = Settings(epochs=2, batch_size=64, learning_rate=0.05, weight_decay=1e-4)
# The best epoch is the only one, so that no label chooses it, and its last step is as long as its first.
ONCE = dataclasses.replace(QUICK, epochs=1, schedule="constant")


def network(seed=0):
    with seeded(seed):
        return nn.Sequential(nn.Flatten(), nn.Linear(4, 3))


def networks(n=3):
    return [network(seed) for seed in range(n)]


def weights(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def points(n, seed=0, distance=1.0):
    """Images of 1 x 2 x 2 around three centres, as many of each class as fit, with noisy labels drawn by T."""
    generator = np.random.default_rng(seed)
    clean = np.arange(n) % 3
    images = distance * np.eye(3, 4)[clean] + generator.normal(size=(n, 4))
    noisy = noise.corrupt(clean, T, generator)
    return Split(torch.from_numpy(images).float().view(n, 1, 2, 2), torch.from_numpy(noisy), torch.from_numpy(clean))


def numbered(n):
    """Images whose pixels are all their number, and labels of three classes."""
    labels = torch.arange(n) % 3
    return Split(torch.arange(n).float().view(n, 1, 1, 1).expand(n, 1, 2, 2), labels, labels)


def numbers(images):
    return images[:, 0, 0, 0].round().int().tolist()


class Witness(nn.Module):
    """Says of an image by class 1 which it is, and by class 2 whether it was trained on it."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def forward(self, images):
        said = [[0.0, number / 100, 50.0 * (number in self.seen)] for number in numbers(images)]
        return torch.tensor(said)


@pytest.fixture
def witnessed(monkeypatch):
    """Training only remembers the images; lists those that each network learns from and is validated on."""
    splits = []

    def fit(model, loss, train, validation, test, settings, *, seed, after_epoch=None):
        splits.append((numbers(train.images), numbers(validation.images)))
        model.seen |= set(splits[-1][0])
        return Fit(model, model, 0, loss, (Epoch(0.0, 0.0, 0.0, 0.0, 0.0),) * settings.epochs)

    monkeypatch.setattr(alternation, "fit", fit)
    return splits


@pytest.fixture
def fitted(monkeypatch):
    """Lists of each training the weights it began with, the loss, the fit and the weights of its best epoch."""
    calls = []

    def fit(model, loss, *args, **kwargs):
        began = weights(model)
        done = training.fit(model, loss, *args, **kwargs)
        calls.append((began, loss, done, weights(done.best_model)))
        return done

    monkeypatch.setattr(alternation, "fit", fit)
    return calls


def fit_across(split, settings=ONCE, n_networks=3, **seeds):
    seeds = {"fold_seed": 0, "seed": 0, **seeds}
    return cross_fit(networks(n_networks), CrossEntropy(), split, points(30, seed=9), settings, **seeds)


@pytest.mark.parametrize(("n", "n_networks"), [(90, 3), (91, 3), (50, 2), (23, 5)])
def test_every_image_is_spoken_of_by_the_network_that_did_not_see_it_and_in_its_place(witnessed, n, n_networks):
    split, witnesses = numbered(n), [Witness() for _ in range(n_networks)]
    done = cross_fit(witnesses, CrossEntropy(), split, split, ONCE, fold_seed=4, seed=0)
    assert (done.probs[:, 2] < 0.5).all()
    np.testing.assert_allclose(np.log(done.probs[:, 1] / done.probs[:, 0]), np.arange(n) / 100, atol=1e-5)
    np.testing.assert_allclose(done.probs.sum(axis=1), 1, atol=1e-12)
    assert done.networks == witnesses
    # Each network meets each image once, and each image is held out once.
    assert all(sorted(train + held_out) == list(range(n)) for train, held_out in witnessed)
    assert sorted(number for _, held_out in witnessed for number in held_out) == list(range(n))
    assert {len(held_out) for _, held_out in witnessed} <= {n // n_networks, -(-n // n_networks)}


def test_without_holding_out_every_image_is_spoken_of_by_a_network_that_saw_it_and_in_its_place(witnessed):
    split = numbered(91)
    done = cross_fit(
        [Witness() for _ in range(3)], CrossEntropy(), split, split, ONCE, fold_seed=4, seed=0, held_out=False
    )
    assert (done.probs[:, 2] > 0.5).all()
    np.testing.assert_allclose(np.log(done.probs[:, 1] / done.probs[:, 0]), np.arange(91) / 100, atol=1e-5)


def test_the_folds_are_drawn_by_their_seed(witnessed):
    split = numbered(90)
    for fold_seed, seed in ((1, 0), (1, 5), (2, 0)):
        cross_fit([Witness() for _ in range(3)], CrossEntropy(), split, split, ONCE, fold_seed=fold_seed, seed=seed)
    first, other_order, other_folds = witnessed[:3], witnessed[3:6], witnessed[6:]
    assert first == other_order
    assert all({*a[1]} != {*b[1]} for a, b in zip(first, other_folds, strict=True))


def test_the_folds_are_the_same_in_every_round(witnessed):
    alternate([Witness() for _ in range(3)], numbered(90), numbered(9), transitions.symmetric(3, 0.4), [QUICK] * 4,
              seed=0)  # fmt: skip
    assert len(witnessed) == 4 * 3
    assert all(witnessed[3 * k : 3 * k + 3] == witnessed[:3] for k in range(4))


def test_no_label_changes_what_is_said_of_its_own_fold():
    split, n = points(120), 120
    probs = fit_across(split).probs
    for image in (0, 64):
        changed = np.zeros(n, dtype=bool)
        for step in (1, 2):
            labels = split.noisy_labels.clone()
            labels[image] = (labels[image] + step) % 3
            changed |= (fit_across(dataclasses.replace(split, noisy_labels=labels)).probs != probs).any(axis=1)
        assert not changed[image]
        assert changed.sum() == n - n // 3  # what the two networks say that learn from it
        # Nor do all labels of the fold together.
        fold = torch.from_numpy(~changed)
        labels = torch.where(fold, (split.noisy_labels + 1) % 3, split.noisy_labels)
        again = fit_across(dataclasses.replace(split, noisy_labels=labels)).probs
        np.testing.assert_array_equal(again[~changed], probs[~changed])


def test_clean_labels_choose_nothing():
    split, test, start = points(120), points(30, seed=9), transitions.symmetric(3, 0.4)
    clean = (split.clean_labels + 1) % 3
    first, second = (
        alternate(networks(), each, test, start, [QUICK] * 2, seed=0)
        for each in (split, dataclasses.replace(split, clean_labels=clean))
    )
    np.testing.assert_array_equal(first.fit.probs, second.fit.probs)
    np.testing.assert_array_equal(first.matrices, second.matrices)
    np.testing.assert_array_equal(first.transition_matrix, second.transition_matrix)


def test_the_networks_are_those_of_the_best_epochs_and_the_history_is_their_mean(fitted):
    # Far too fast a rate, so that the last epoch is not the best one.
    wild = Settings(epochs=6, batch_size=8, learning_rate=1.0, weight_decay=0.0, schedule="constant")
    split = points(90)
    done = fit_across(split, wild)
    fits = [fit for _, _, fit, _ in fitted]
    assert any(fit.best_epoch < 5 for fit in fits)
    assert done.networks == [fit.best_model for fit in fits]
    assert len(done.history) == 6
    for k, epoch in enumerate(done.history):
        for field in dataclasses.fields(Epoch):
            mean = np.mean([getattr(fit.history[k], field.name) for fit in fits])
            assert getattr(epoch, field.name) == pytest.approx(mean)
    # A network's own probabilities stand where it had not seen the image.
    own = np.array([predict_probs(model, split.images) for model in done.networks])
    assert (np.abs(own - done.probs).max(axis=2).min(axis=0) < 1e-6).all()


def test_each_round_goes_on_from_the_last_with_its_matrix_and_its_settings(fitted):
    split, start = points(300), transitions.symmetric(3, 0.5)
    rounds = [dataclasses.replace(QUICK, epochs=epochs) for epochs in (3, 2, 1)]
    turns = alternate(networks(), split, points(30, seed=9), start, rounds, seed=0)
    assert [len(fit.history) for _, _, fit, _ in fitted] == [3] * 3 + [2] * 3 + [1] * 3
    used = [start, start, start, *np.repeat(turns.matrices[:2], 3, axis=0)]
    for (_, loss, _, _), matrix in zip(fitted, used, strict=True):
        assert isinstance(loss, Forward)
        np.testing.assert_allclose(loss.transition.numpy(), matrix, atol=1e-6)
    for (*_, before), (began, *_) in zip(fitted[:-3], fitted[3:], strict=True):
        assert torch.equal(began, before)
    # What is handed back is of the last round.
    assert turns.matrices.shape == (3, 3, 3)
    assert len(turns.fit.history) == 1
    assert turns.fit.networks == [fit.best_model for _, _, fit, _ in fitted[-3:]]
    for matrix in turns.matrices:
        np.testing.assert_array_equal(transitions.validate(matrix), matrix)


def test_the_matrix_is_read_from_the_geometric_mean_of_what_the_rounds_say(monkeypatch):
    said, across = [], cross_fit

    def keep(*args, **kwargs):
        done = across(*args, **kwargs)
        said.append(done.probs)
        return done

    monkeypatch.setattr(alternation, "cross_fit", keep)
    split = points(300)
    turns = alternate(networks(), split, points(30, seed=9), transitions.symmetric(3, 0.4), [QUICK] * 3, seed=0)
    mean = np.prod(said, axis=0) ** (1 / 3)
    matrix, temperature = tempered_likelihood(mean / mean.sum(axis=1, keepdims=True), split.noisy_labels)
    np.testing.assert_allclose(turns.transition_matrix, matrix, atol=1e-6)
    sharpened = mean ** (1 / temperature)
    np.testing.assert_allclose(turns.probs, sharpened / sharpened.sum(axis=1, keepdims=True), atol=1e-4)
    for probs, each in zip(said, turns.matrices, strict=True):
        np.testing.assert_array_equal(each, tempered_likelihood(probs, split.noisy_labels)[0])


def test_each_part_of_alternation_can_be_left_out():
    split, test, start = points(300), points(30, seed=9), transitions.symmetric(3, 0.4)

    def turns(**parts):
        return alternate(networks(), split, test, start, [QUICK] * 2, seed=0, **parts)

    whole, last, plain, seen = turns(), turns(pooled=False), turns(tempered=False), turns(held_out=False)
    np.testing.assert_array_equal(turns(held_out=True, tempered=True, pooled=True).matrices, whole.matrices)
    # The rounds are the same; only what is read in the end is of the last one.
    np.testing.assert_array_equal(last.matrices, whole.matrices)
    np.testing.assert_allclose(last.transition_matrix, whole.matrices[-1], atol=1e-6)
    assert (last.transition_matrix != whole.transition_matrix).all()
    np.testing.assert_allclose(plain.matrices[-1], maximum_likelihood(plain.fit.probs, split.noisy_labels), atol=1e-12)
    # The first round has the same networks, and other ones speak.
    assert (seen.matrices[0] != whole.matrices[0]).all()


def test_networks_that_saw_the_labels_they_speak_of_take_labels_for_cleaner_than_they_are():
    # Few images and many steps, so that the labels are learned by heart.
    split, test = points(60, distance=2.0), points(300, seed=9, distance=2.0)
    by_heart = Settings(epochs=60, batch_size=8, learning_rate=0.3, weight_decay=0.0, schedule="constant")
    with seeded(0):
        wide = [nn.Sequential(nn.Flatten(), nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 3)) for _ in range(3)]
    kept = [copy.deepcopy(each) for each in wide]
    start = transitions.symmetric(3, 0.4)
    whole = alternate(wide, split, test, start, [by_heart], seed=0)
    seen = alternate(kept, split, test, start, [by_heart], seed=0, held_out=False)
    assert np.trace(seen.transition_matrix) > np.trace(whole.transition_matrix)


@pytest.mark.parametrize("noisy_start", [transitions.symmetric(3, 0.5), transitions.symmetric(3, 0.6)])
def test_a_start_that_is_too_noisy_ends_at_the_matrix(noisy_start):
    n = 3000
    split, test = points(n, distance=6.0), points(300, seed=9, distance=6.0)
    settings = Settings(epochs=3, batch_size=250, learning_rate=0.1, weight_decay=1e-4)
    turns = alternate(networks(), split, test, noisy_start, [settings] * 3, seed=0)
    # Where classes are told apart without error, each entry is a share counted among the n / 3 images of a class: the
    # deviation is the binomial one, known at the estimate to the part by which it differs at T.
    assert turns.fit.history[-1].clean_test_accuracy > 0.99
    binomial = np.sqrt(T * (1 - T) / (n / 3))
    # Each of the 9 entries stays within z deviations with probability 1 - 1e-5 / 9.
    z = scipy.stats.norm.isf(1e-5 / 9 / 2)
    part = z * np.abs(1 - 2 * T) / (2 * T * (1 - T)) * binomial  # by which sqrt(T (1 - T)) then differs
    assert (np.abs(turns.deviation / binomial - 1) <= part + 0.03).all()  # and by the images that leave a doubt
    assert (np.abs(turns.transition_matrix - T) <= z * turns.deviation).all()
    assert np.abs(noisy_start - T).max() > 2 * z * turns.deviation.max()


def test_rounds_bring_the_matrix_nearer_where_classes_overlap():
    # The optimal network is itself linear here, and errs on one image in six.
    split, test = points(3000, distance=2.0), points(900, seed=9, distance=2.0)
    start = transitions.symmetric(3, 0.55)
    settings = Settings(epochs=3, batch_size=100, learning_rate=0.05, weight_decay=1e-4)
    turns = alternate(networks(), split, test, start, [settings] * 3, seed=0)
    assert turns.fit.history[-1].clean_test_accuracy < 0.9
    errors = [np.abs(matrix - T).sum() for matrix in (start, *turns.matrices)]
    assert errors[-1] < errors[1] < errors[0]


def test_the_same_seed_gives_the_same_bits_and_another_seed_others():
    split, test, start = points(150), points(30, seed=9), transitions.symmetric(3, 0.4)
    first, again, other = (alternate(networks(), split, test, start, [QUICK] * 2, seed=seed) for seed in (0, 0, 1))
    for name in ("matrices", "transition_matrix", "deviation", "probs"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
        assert (getattr(first, name) != getattr(other, name)).any()
    np.testing.assert_array_equal(first.fit.probs, again.fit.probs)
    assert first.fit.history == again.fit.history
    for one, two in zip(first.fit.networks, again.fit.networks, strict=True):
        assert torch.equal(weights(one), weights(two))


def test_the_default_generator_is_left_alone():
    before = torch.get_rng_state()
    fit_across(points(60))
    assert torch.equal(torch.get_rng_state(), before)
