import copy
import re

import numpy as np
import pytest
import torch
from torch import nn

from labelnoise.errors import InputError
from labelnoise.losses import CoTeaching, CrossEntropy, EarlyLearning, Forward, Mixup, VolumeMinimised
from labelnoise.training import (
    MODELS,
    Pair,
    Settings,
    Split,
    _loop,
    _precision,
    as_columns,
    build,
    fit,
    predict_features,
    predict_logits,
    predict_probs,
    seeded,
)


@pytest.fixture(autouse=True)
def in_the_precision_asked_for(monkeypatch):
    """Whatever this processor has instructions for."""
    monkeypatch.setattr(_precision, "has_bfloat16", lambda device="cpu": True)


DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
QUICK = Settings(epochs=3, batch_size=32, learning_rate=1e-2, weight_decay=1e-2)


def settings(**changes):
    return Settings(**{**vars(QUICK), **changes})


def network(seed=0, n_classes=2, dropout=0.2):
    with seeded(seed):
        return nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Dropout(dropout), nn.Linear(4 * 4 * 4, n_classes)
        )


def toy(n, seed, rate=0.0, device="cpu"):
    """Two classes, dark and bright images, shape (n, 1, 6, 6), with noisy labels at a rate."""
    generator = torch.Generator().manual_seed(seed)
    clean = torch.randint(2, (n,), generator=generator)
    images = (2.0 * clean - 1).view(n, 1, 1, 1) + 0.5 * torch.randn(n, 1, 6, 6, generator=generator)
    flipped = torch.rand(n, generator=generator) < rate
    return Split(images.to(device), torch.where(flipped, 1 - clean, clean).to(device), clean.to(device))


def train(seed=0, loss=None, model=None, chosen=QUICK, n=200, rate=0.2, device="cpu", **splits):
    parts = {name: toy(n, i, rate, device) for i, name in enumerate(("train", "validation", "test"))} | splits
    return fit((model or network()).to(device), loss or CrossEntropy(), **parts, settings=chosen, seed=seed)


def weights(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_same_seed_gives_the_same_bits(precision):
    first, second = (train(chosen=settings(precision=precision)) for _ in range(2))
    assert torch.equal(weights(first.model), weights(second.model))
    assert torch.equal(weights(first.best_model), weights(second.best_model))
    assert first.history == second.history


def test_the_seed_gives_the_order_and_the_dropout():
    def close(split, dropout):
        chosen = settings(learning_rate=0.1, optimizer="sgd", schedule="constant")
        first, second = (
            weights(train(seed, model=network(dropout=dropout), chosen=chosen, train=split).model) for seed in (0, 1)
        )
        return torch.allclose(first, second, atol=1e-5)

    different = toy(200, 0)
    alike = Split(torch.ones_like(different.images), *[torch.zeros_like(different.clean_labels)] * 2)
    assert close(alike, dropout=0.0)
    assert not close(different, dropout=0.0)  # the order
    assert not close(alike, dropout=0.5)


def test_the_default_generator_neither_matters_nor_moves():
    first = train()
    with seeded(1234):
        before = torch.get_rng_state()
        second = train()
        assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(weights(first.model), weights(second.model))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    "changes",
    [{}, {"precision": "bfloat16"}, {"schedule": "constant"}, {"optimizer": "sgd"},
     {"optimizer": "sgd", "schedule": "constant"}],
)  # fmt: skip
def test_it_learns_what_can_be_learnt(changes, device):
    done = train(chosen=settings(**changes), rate=0.0, device=device)
    assert done.history[-1].clean_test_accuracy > 0.95
    assert done.history[-1].noisy_train_loss < done.history[0].noisy_train_loss


class Noting(CrossEntropy):
    """Cross-entropy that lists the batches it learns from."""

    def __init__(self):
        super().__init__()
        self.batches = []

    def on_batch(self, predict, batch):
        self.batches.append(batch)
        return self(predict(batch.images), batch.noisy_labels)


def test_a_loss_may_learn_from_batches_and_is_told_which_images_they_hold_and_how_far_training_is():
    loss, split = Noting(), toy(200, 0, 0.2)
    done = train(loss=loss)
    assert len(loss.batches) == 3 * 7  # of 32 images, the last of an epoch smaller
    for k, batch in enumerate(loss.batches):
        assert batch.progress == pytest.approx(k / 21)
        assert torch.equal(batch.images, split.images[batch.rows])
        assert torch.equal(batch.noisy_labels, split.noisy_labels[batch.rows])
    for epoch in range(3):
        rows = torch.cat([batch.rows for batch in loss.batches[7 * epoch : 7 * epoch + 7]])
        assert torch.equal(rows.sort().values, torch.arange(200))
    assert torch.equal(weights(done.model), weights(train().model))


@pytest.mark.parametrize(
    "loss", [EarlyLearning(600, 2), Mixup(0.2), CoTeaching(0.3, 0.5)], ids=lambda x: type(x).__name__
)
def test_losses_that_learn_from_batches_learn_through_noise(loss):
    model = Pair(network(0), network(1)) if isinstance(loss, CoTeaching) else network()
    done = train(loss=loss, model=model, n=600, rate=0.3, chosen=settings(epochs=5))
    assert done.history[-1].clean_test_accuracy > 0.95


def test_the_mean_of_the_weights_is_what_is_shown_and_it_is_exponential():
    chosen = settings(epochs=1, averaging=0.8)
    seen = []

    class Witness(CrossEntropy):
        def on_batch(self, predict, batch):
            seen.append(weights(model))  # before the step
            return self(predict(batch.images), batch.noisy_labels)

    model = network()
    done = train(loss=Witness(), model=model, chosen=chosen)
    after = [*seen[1:], weights(model)]
    mean = after[0]
    for each in after[1:]:
        mean = 0.8 * mean + 0.2 * each
    torch.testing.assert_close(weights(done.model), mean)
    assert done.model is not model
    assert torch.equal(weights(model), weights(train(chosen=settings(epochs=1)).model))  # it only looks
    accuracy = (
        (predict_logits(done.model, toy(200, 2, 0.2).images).argmax(1) == toy(200, 2).clean_labels).double().mean()
    )
    assert done.history[-1].clean_test_accuracy == pytest.approx(accuracy.item())


def test_changed_images_are_learned_from_with_the_labels_of_their_own():
    chosen, loss, split = settings(augmentation="shift-flip", epochs=2), Noting(), toy(200, 0, 0.2)
    first, second = train(loss=loss, chosen=chosen), train(chosen=chosen)
    assert torch.equal(weights(first.model), weights(second.model))
    assert not torch.equal(weights(first.model), weights(train(chosen=settings(epochs=2)).model))
    for batch in loss.batches:
        assert torch.equal(batch.noisy_labels, split.noisy_labels[batch.rows])
        assert not torch.equal(batch.images, split.images[batch.rows])


def test_it_learns_through_noise():
    matrix = [[0.7, 0.3], [0.3, 0.7]]
    assert train(loss=Forward(matrix), n=600, rate=0.3).history[-1].clean_test_accuracy > 0.95


def overfitted():
    """Training and validation labels without a pattern: what is learnt of the first hurts on the second."""
    return train(model=network(dropout=0.0), n=60, rate=0.5, chosen=settings(epochs=12, learning_rate=0.05))


def test_the_best_epoch_has_the_least_noisy_validation_loss():
    done = overfitted()
    losses = [epoch.noisy_validation_loss for epoch in done.history]
    assert done.best_epoch == np.argmin(losses) < len(losses) - 1
    validation = toy(60, 1, 0.5)
    for model, epoch in ((done.best_model, done.best_epoch), (done.model, -1)):
        loss = CrossEntropy()(predict_logits(model, validation.images), validation.noisy_labels).item()
        assert loss == pytest.approx(losses[epoch], rel=1e-5)


def test_what_is_measured_is_what_it_is_called():
    done = overfitted()
    train_split, validation, test = (toy(60, i, 0.5) for i in range(3))
    last = done.history[-1]

    def share(split, labels):
        return (predict_logits(done.model, split.images).argmax(1) == labels).double().mean().item()

    flipped = train_split.noisy_labels != train_split.clean_labels
    on_flipped = Split(*(t[flipped] for t in (train_split.images, train_split.noisy_labels, train_split.clean_labels)))
    assert last.noisy_validation_accuracy == pytest.approx(share(validation, validation.noisy_labels))
    assert last.clean_test_accuracy == pytest.approx(share(test, test.clean_labels))
    assert last.memorised == pytest.approx(share(on_flipped, on_flipped.noisy_labels))
    assert 0 < last.memorised < 1


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_with_no_flipped_label_nothing_is_memorised(precision):
    assert train(rate=0.0, chosen=settings(precision=precision)).history[-1].memorised == 0


def test_clean_labels_choose_nothing():
    done = train(rate=0.4, chosen=settings(epochs=6))
    generator = torch.Generator().manual_seed(9)
    permuted = {}
    for i, name in enumerate(("train", "validation", "test")):
        split = toy(200, i, 0.4)
        order = torch.randperm(200, generator=generator)
        noisy = split.noisy_labels[order] if name == "test" else split.noisy_labels
        permuted[name] = Split(split.images, noisy, split.clean_labels[order])
    again = train(rate=0.4, chosen=settings(epochs=6), **permuted)
    assert torch.equal(weights(again.model), weights(done.model))
    assert torch.equal(weights(again.best_model), weights(done.best_model))
    assert again.best_epoch == done.best_epoch
    assert again.history[-1].clean_test_accuracy != done.history[-1].clean_test_accuracy


class Watched(nn.Module):
    """Cross-entropy that keeps the logits and labels it was trained with."""

    def __init__(self):
        super().__init__()
        self.batches = []

    def forward(self, logits, labels):
        if logits.requires_grad:
            self.batches.append((logits.detach(), labels))
        return nn.functional.cross_entropy(logits, labels)


@pytest.mark.parametrize(("n", "sizes"), [(65, [32, 32, 1]), (64, [32, 32]), (20, [20])])
def test_every_image_is_used_once_an_epoch(n, sizes):
    loss = Watched()
    split = Split(torch.randn(n, 1, 6, 6, generator=torch.Generator().manual_seed(0)), torch.arange(n), torch.arange(n))
    done = train(loss=loss, model=network(n_classes=n), train=split, chosen=settings(epochs=2))
    assert [len(labels) for _, labels in loss.batches] == 2 * sizes
    first, second = (torch.cat([y for _, y in loss.batches[i:][: len(sizes)]]) for i in (0, len(sizes)))
    assert first.sort().values.tolist() == second.sort().values.tolist() == list(range(n))
    assert first.tolist() != second.tolist()
    means = [nn.functional.cross_entropy(z, y).item() for z, y in loss.batches[: len(sizes)]]
    assert done.history[0].noisy_train_loss == pytest.approx(np.average(means, weights=sizes), rel=1e-5)


def test_bfloat16_computes_in_bfloat16_and_keeps_weights_and_losses_in_float32():
    seen = []
    model, loss = network(), Watched()
    model[0].register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    train(model=model, loss=loss, chosen=settings(epochs=1, precision="bfloat16"))
    assert set(seen) == {torch.bfloat16}
    assert {z.dtype for z, _ in loss.batches} == {torch.float32}
    assert weights(model).dtype == torch.float32


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_first_step_is_as_worked_by_hand(optimizer):
    rate, decay = 0.01, 0.1
    model = network(dropout=0.0)
    before = copy.deepcopy(model)
    split = toy(50, 0)
    train(
        model=model,
        train=split,
        chosen=settings(
            epochs=1, batch_size=50, learning_rate=rate, weight_decay=decay, optimizer=optimizer, schedule="constant"
        ),
    )
    CrossEntropy()(before(split.images), split.noisy_labels).backward()
    for after, p in zip(model.parameters(), before.parameters(), strict=True):
        if optimizer == "sgd":
            expected = p - rate * (p.grad + decay * p)
        else:
            expected = p * (1 - rate * decay) - rate * p.grad / (p.grad.abs() + 1e-8)
        torch.testing.assert_close(after, expected, atol=2e-5, rtol=1e-4)


def test_the_rate_of_a_late_peak_is_highest_after_half_of_the_steps_and_else_after_three_tenths():
    for schedule, peak in (("one-cycle", 0.3), ("one-cycle-late", 0.5)):
        rates = []
        steps = _loop._Steps(network(), CrossEntropy(), settings(schedule=schedule), 200)
        for _ in range(200):
            rates.append(steps._optimizer.param_groups[0]["lr"])
            steps._optimizer.step()
            steps._schedule.step()
        assert np.argmax(rates) == pytest.approx(200 * peak, abs=1)
        assert max(rates) == pytest.approx(settings().learning_rate)


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_a_training_of_few_steps_runs_with_either_schedule(n):
    for schedule in ("one-cycle", "one-cycle-late", "constant"):
        done = train(train=toy(n, 0), chosen=settings(epochs=1, batch_size=1, schedule=schedule))
        assert len(done.history) == 1
        assert done.best_epoch == 0
        assert weights(done.model).isfinite().all()


@pytest.mark.parametrize("training", [True, False])
def test_predicting_leaves_the_mode_and_the_default_generator_alone(training):
    model = network(dropout=0.5).train(training)
    before = torch.get_rng_state()
    probs = predict_probs(model, toy(50, 0).images)
    assert model.training is training
    assert all(layer.training is training for layer in model)
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(probs, predict_probs(model, toy(50, 0).images))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_predicted_probabilities_are_the_softmax_of_the_logits(precision):
    model = network(n_classes=3).eval()
    images = toy(1500, 0).images  # more than one batch
    probs = predict_probs(model, images, precision)
    assert probs.shape == (1500, 3)
    assert probs.dtype == np.float64
    np.testing.assert_allclose(probs.sum(axis=1), 1, atol=1e-12)
    expected = model(images).detach().double().softmax(dim=1).numpy()
    np.testing.assert_allclose(probs, expected, atol=1e-6 if precision == "float32" else 2e-2)


def test_no_images_give_no_logits():
    assert predict_logits(network(), toy(10, 0).images[:0]).shape == (0, 2)


def test_the_history_by_measurement():
    done = train()
    columns = as_columns(done.history)
    assert columns["clean_test_accuracy"] == [epoch.clean_test_accuracy for epoch in done.history]
    assert {len(values) for values in columns.values()} == {QUICK.epochs}


def test_an_empty_training_split_is_refused():
    with pytest.raises(InputError, match="There are no training images; pass at least one"):
        train(train=Split(torch.zeros(0, 1, 6, 6), torch.zeros(0).long(), torch.zeros(0).long()))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": "adam"}, "Unknown optimizer 'adam'; use one of: adamw, sgd."),
        ({"augmentation": "noise"}, "Unknown augmentation 'noise'; use one of: None, shift-flip."),
        ({"averaging": 1.0}, "averaging must be a float between 0 and 1, or None, not 1.0."),
        ({"averaging": 1}, "averaging must be a float between 0 and 1, or None, not 1."),
        ({"schedule": "cosine"}, "Unknown schedule 'cosine'; use one of: one-cycle, one-cycle-late, constant."),
        ({"precision": "float16"}, "Unknown precision 'float16'; use one of: float32, bfloat16."),
        ({"epochs": 0}, "epochs must be a whole number from 1 up, not 0."),
        ({"batch_size": -1}, "batch_size must be a whole number from 1 up, not -1."),
        ({"learning_rate": 0.0}, "learning_rate must be a positive float, not 0.0."),
        ({"learning_rate": float("nan")}, "learning_rate must be a positive float, not nan."),
        ({"learning_rate": float("inf")}, "learning_rate must be a positive float, not inf."),
        ({"weight_decay": float("inf")}, "weight_decay must be a float from 0.0 up, not inf."),
        ({"weight_decay": -0.0}, "weight_decay must be a float from 0.0 up, not -0.0."),
    ],
)
def test_settings_that_can_not_train_are_refused(changes, message):
    with pytest.raises(InputError, match=re.escape(message)):
        settings(**changes)


class Warmed(nn.Module):
    """Cross-entropy of the logits divided by a temperature that is learned."""

    def __init__(self, temperature=2.0, relative_rate=None):
        super().__init__()
        self.temperature = nn.Parameter(torch.tensor(temperature))
        if relative_rate is not None:
            self.relative_rate = relative_rate

    def forward(self, logits, labels):
        return nn.functional.cross_entropy(logits / self.temperature, labels)


def test_the_best_loss_has_its_parameters_as_after_the_best_epoch():
    loss = Warmed(relative_rate=1.0)
    done = train(loss=loss, model=network(dropout=0.0), n=60, rate=0.5, chosen=settings(epochs=12, learning_rate=0.05))
    losses = [epoch.noisy_validation_loss for epoch in done.history]
    assert done.best_epoch == np.argmin(losses) < len(losses) - 1
    validation = toy(60, 1, 0.5)
    for model, learned, epoch in ((done.best_model, done.best_loss, done.best_epoch), (done.model, loss, -1)):
        value = learned(predict_logits(model, validation.images), validation.noisy_labels).item()
        assert value == pytest.approx(losses[epoch], rel=1e-5)
    assert len({2.0, loss.temperature.item(), done.best_loss.temperature.item()}) == 3


def test_a_matrix_is_learned_with_the_network():
    # Nothing tells how much of the noise is the network's doubt but the classes themselves, which are far apart.
    loss = VolumeMinimised(2, start_diagonal=0.55)
    done = train(loss=loss, model=network(dropout=0.0), n=2000, rate=0.2, chosen=settings(epochs=8))
    found = done.best_loss.transition_matrix.detach().numpy()
    clean, noisy = (getattr(toy(2000, 0, 0.2), name).numpy() for name in ("clean_labels", "noisy_labels"))
    # The shares among about 1000 training images per class, which the network can tell without error; a twentieth for
    # what 8 epochs leave.
    counted = np.array([[np.mean(noisy[clean == i] == j) for j in (0, 1)] for i in (0, 1)])
    np.testing.assert_allclose(found, counted, atol=0.05)


def test_a_loss_without_parameters_is_handed_back_as_it_was():
    loss = Forward([[0.7, 0.3], [0.3, 0.7]])
    done = train(loss=loss)
    assert isinstance(done.best_loss, Forward)
    assert torch.equal(done.best_loss.transition, loss.transition)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("relative_rate", [None, 0.1, 10.0])
def test_a_first_step_of_a_loss_is_as_worked_by_hand_at_its_own_rate_and_without_decay(optimizer, relative_rate):
    rate = 0.01
    loss, before, split = Warmed(relative_rate=relative_rate), Warmed(), toy(50, 0)
    model = network(dropout=0.0)
    logits = model(split.images).detach()
    chosen = settings(
        epochs=1, batch_size=50, learning_rate=rate, weight_decay=0.5, optimizer=optimizer, schedule="constant"
    )
    done = train(model=model, loss=loss, train=split, chosen=chosen)
    before(logits, split.noisy_labels).backward()
    slope = before.temperature.grad
    own_rate = rate * (1.0 if relative_rate is None else relative_rate)
    step = own_rate * (slope if optimizer == "sgd" else slope / (slope.abs() + 1e-8))
    torch.testing.assert_close(loss.temperature, before.temperature - step, atol=1e-6, rtol=1e-6)
    assert torch.equal(done.best_loss.temperature, loss.temperature)
    # Decay would have moved it by half of its rate: far more than the tolerance.
    assert own_rate * 0.5 * 2.0 > 1e-4


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("schedule", ["one-cycle", "constant"])
def test_a_loss_with_a_lower_relative_rate_moves_less(optimizer, schedule):
    def moved(relative_rate):
        loss = Warmed(relative_rate=relative_rate)
        train(loss=loss, chosen=settings(optimizer=optimizer, schedule=schedule))
        return abs(loss.temperature.item() - 2.0)

    still, slow, fast = (moved(rate) for rate in (0.0, 0.01, 1.0))
    assert still == 0
    assert 0 < 10 * slow < fast


@pytest.mark.parametrize("relative_rate", [0.01, 10.0])
def test_the_rate_of_a_loss_leaves_that_of_the_network(relative_rate):
    # The first step of both is the same, as the parameter of the loss has not moved yet.
    chosen = settings(epochs=1, batch_size=200)
    first, second = (
        weights(train(loss=Warmed(relative_rate=rate), chosen=chosen).model) for rate in (1.0, relative_rate)
    )
    assert torch.equal(first, second)


class Moody(nn.Module):
    """Cross-entropy, with 100 added in train mode only."""

    def forward(self, logits, labels):
        return nn.functional.cross_entropy(logits, labels) + 100 * self.training


def test_a_loss_is_trained_in_train_mode_and_validated_in_eval_mode():
    plain, done = train(), train(loss=Moody())
    assert torch.equal(weights(plain.model), weights(done.model))
    assert done.best_epoch == plain.best_epoch
    for a, b in zip(plain.history, done.history, strict=True):
        assert b.noisy_train_loss == pytest.approx(a.noisy_train_loss + 100, rel=1e-5)
        assert b.noisy_validation_loss == a.noisy_validation_loss


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("name", "units"), [("lenet", 84), ("alexnet", 512)])
def test_the_last_layer_makes_the_logits_of_the_features(name, units, training):
    model = build(name, 3, seed=0).train(training)
    last = model.classifier[-1]
    with seeded(1):
        nn.init.normal_(last.weight, std=units**-0.5)
        nn.init.normal_(last.bias)
        images = torch.randn(270, 1, 28, 28)  # more than one batch
    before = torch.get_rng_state()
    features = predict_features(model, images)
    assert features.shape == (270, units)
    assert features.dtype == np.float32
    logits = features @ last.weight.detach().numpy().T + last.bias.detach().numpy()
    np.testing.assert_allclose(logits, predict_logits(model, images).numpy(), atol=1e-4, rtol=1e-4)
    assert logits.std(axis=0).min() > 0.01  # the images are told apart
    assert all(layer.training is training for layer in model.modules())
    assert torch.equal(torch.get_rng_state(), before)


def test_features_are_known_for_every_network():
    for name in MODELS:
        assert predict_features(build(name, 2, seed=0), torch.zeros(1, 1, 28, 28)).ndim == 2
