import copy

import numpy as np
import pytest
import scipy.stats
import torch
from torch import nn
from torch.autograd import gradcheck

from labelnoise.errors import InputError
from labelnoise.losses import (
    Batch,
    CoTeaching,
    CrossEntropy,
    EarlyLearning,
    GeneralisedCrossEntropy,
    Mixup,
    Resampled,
    Reweighted,
    SymmetricCrossEntropy,
)
from labelnoise.training import METHODS, Pair

PLAIN = [EarlyLearning(8, 3), Mixup(), CoTeaching()]


def drawn(n, n_classes=3, seed=0):
    """Logits, shape (n, n_classes), float64, and noisy labels, shape (n,)."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(n, n_classes, generator=generator, dtype=torch.float64)
    return logits, torch.randint(n_classes, (n,), generator=generator)


def likelihoods(logits, labels):
    q = np.exp(logits.numpy())
    return (q / q.sum(axis=1, keepdims=True))[np.arange(len(labels)), labels.numpy()]


def batch(images, labels, progress=0.0, rows=None):
    return Batch(images, labels, torch.arange(len(labels)) if rows is None else torch.tensor(rows), progress)


@pytest.mark.parametrize("power", [0.01, 0.3, 0.7, 1.0])
def test_generalised_cross_entropy_equals_its_formula(power):
    logits, labels = drawn(16)
    expected = np.mean((1 - likelihoods(logits, labels) ** power) / power)
    assert GeneralisedCrossEntropy(power)(logits, labels).item() == pytest.approx(expected)


def test_generalised_cross_entropy_lies_between_cross_entropy_and_the_absolute_error():
    logits, labels = drawn(16)
    near_0 = GeneralisedCrossEntropy(1e-9)(logits, labels)
    torch.testing.assert_close(near_0, CrossEntropy()(logits, labels), rtol=1e-6, atol=0)
    one_hot = nn.functional.one_hot(labels, 3)
    absolute = (logits.softmax(dim=1) - one_hot).abs().sum(dim=1).mean() / 2
    torch.testing.assert_close(GeneralisedCrossEntropy(1.0)(logits, labels), absolute)


def test_labels_that_the_network_doubts_weigh_less():
    logits, labels = drawn(16)
    logits.requires_grad_()
    (plain,) = torch.autograd.grad(CrossEntropy()(logits, labels), logits)
    (general,) = torch.autograd.grad(GeneralisedCrossEntropy(0.7)(logits, labels), logits)
    weights = torch.from_numpy(likelihoods(logits.detach(), labels)) ** 0.7
    torch.testing.assert_close(general, plain * weights.unsqueeze(1))


def test_symmetric_cross_entropy_equals_its_formula():
    logits, labels = drawn(16)
    q = np.exp(logits.numpy()) / np.exp(logits.numpy()).sum(axis=1, keepdims=True)
    p = np.eye(3)[labels.numpy()]
    log_p = np.where(p > 0, 0.0, -4.0)
    expected = np.mean(0.3 * -(p * np.log(q)).sum(axis=1) + 2 * -(q * log_p).sum(axis=1))
    assert SymmetricCrossEntropy(0.3, 2)(logits, labels).item() == pytest.approx(expected)


def test_the_logarithm_of_0_of_the_public_codes_gives_their_loss():
    # They clip the label, one-hot, at 1e-4, and take its logarithm.
    logits, labels = drawn(16)
    q = np.exp(logits.numpy()) / np.exp(logits.numpy()).sum(axis=1, keepdims=True)
    p = np.eye(3)[labels.numpy()]
    expected = np.mean(0.1 * -(p * np.log(q)).sum(axis=1) - (q * np.log(p.clip(1e-4, 1))).sum(axis=1))
    theirs = SymmetricCrossEntropy(0.1, 1, log_of_zero=np.log(1e-4))
    assert theirs(logits, labels).item() == pytest.approx(expected)
    beta = -np.log(1e-4) / 4
    assert beta == pytest.approx(2.3, abs=0.01)
    torch.testing.assert_close(SymmetricCrossEntropy(0.1, beta)(logits, labels), theirs(logits, labels))
    # The study of settings may find it.
    low, high, default = METHODS["symmetric"].options["beta"]
    assert low <= beta <= high
    assert default == 1


def test_unless_told_otherwise_the_weights_are_those_of_the_papers():
    logits, labels = drawn(16)
    q = likelihoods(logits, labels)
    assert GeneralisedCrossEntropy()(logits, labels).item() == pytest.approx(np.mean((1 - q**0.7) / 0.7))
    assert SymmetricCrossEntropy()(logits, labels).item() == pytest.approx(np.mean(-0.1 * np.log(q) + 4 * (1 - q)))
    # A target is 0.3 q at first, and the regulariser 3 log(1 - q . t).
    loss, said = EarlyLearning(16, 3).double(), logits.softmax(dim=1)
    expected = CrossEntropy()(logits, labels) + 3 * (1 - 0.3 * (said**2).sum(dim=1)).log().mean()
    torch.testing.assert_close(loss.on_batch(lambda _: logits, batch(logits, labels)), expected, rtol=1e-3, atol=0)


def test_what_a_sure_network_says_is_kept_a_little_away_from_0_and_1():
    logits = torch.tensor([[100.0, 0.0, 0.0]], dtype=torch.float64, requires_grad=True)
    loss = EarlyLearning(1, 3, weight=1.0, memory=0.75).double()
    value = loss.on_batch(lambda _: logits, batch(logits, torch.tensor([0])))
    clipped = torch.tensor([0.9999, 1e-4, 1e-4], dtype=torch.float64)
    torch.testing.assert_close(loss.targets[0], 0.25 * clipped / clipped.sum())
    assert value.item() == pytest.approx(np.log(1 - 0.25 * (clipped**2).sum().item() / clipped.sum().item()))


@pytest.mark.parametrize("loss", [GeneralisedCrossEntropy(0.4), SymmetricCrossEntropy(0.5, 2.0)])
def test_gradients_are_right(loss):
    logits, labels = drawn(4)
    assert gradcheck(lambda z: loss(z, labels), logits.requires_grad_())


@pytest.mark.parametrize("kind", [GeneralisedCrossEntropy, SymmetricCrossEntropy])
def test_a_label_that_is_ruled_out_has_a_finite_loss_and_gradient(kind):
    logits = torch.tensor([[400.0, -400.0, 0.0]], requires_grad=True)
    value = kind()(logits, torch.tensor([1]))
    assert torch.isfinite(value)
    assert torch.isfinite(torch.autograd.grad(value, logits)[0]).all()


@pytest.mark.parametrize("loss", PLAIN, ids=lambda loss: type(loss).__name__)
def test_the_others_are_validated_by_cross_entropy(loss):
    logits, labels = drawn(8)
    torch.testing.assert_close(loss(logits, labels), CrossEntropy()(logits, labels))


def test_early_learning_equals_its_formula_and_keeps_a_mean_for_each_image():
    loss = EarlyLearning(5, 3, weight=2.0, memory=0.9).double()
    first, labels = drawn(2)
    second, _ = drawn(2, seed=1)
    said = [logits.softmax(dim=1) for logits in (first, second)]
    rows = [3, 1]
    loss.on_batch(lambda _: first, batch(first, labels, rows=rows))
    target = 0.1 * said[0]
    torch.testing.assert_close(loss.targets[rows], target)
    value = loss.on_batch(lambda _: second, batch(second, labels, rows=rows))
    target = 0.9 * target + 0.1 * said[1]
    torch.testing.assert_close(loss.targets[rows], target)
    assert not loss.targets[[0, 2, 4]].any()
    expected = CrossEntropy()(second, labels) + 2 * (1 - (said[1] * target).sum(dim=1)).log().mean()
    torch.testing.assert_close(value, expected)


def test_early_learning_pulls_towards_what_was_said_before():
    logits = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    loss = EarlyLearning(1, 3, weight=50.0).double()
    loss.targets[:] = torch.tensor([[0.0, 1.0, 0.0]])
    value = loss.on_batch(lambda _: logits, batch(logits, torch.tensor([0])))
    (gradient,) = torch.autograd.grad(value, logits)
    assert gradient[0].argmin() == 1  # though the label is 0


def test_mixup_equals_its_formula():
    images, labels = torch.randn(4, 1, 2, 2, generator=torch.Generator().manual_seed(3)), torch.tensor([0, 2, 1, 1])
    seen = []

    def predict(mixed):
        seen.append(mixed)
        return mixed.flatten(1)[:, :3]

    torch.manual_seed(0)
    value = Mixup(0.8).on_batch(predict, batch(images, labels))
    torch.manual_seed(0)
    share = torch.distributions.Beta(0.8, 0.8).sample().item()
    assert 0 < share < 1
    other = [3, 0, 1, 2]
    torch.testing.assert_close(seen[0], share * images + (1 - share) * images[other])
    one_hot = nn.functional.one_hot(labels, 3).float()
    soft = share * one_hot + (1 - share) * one_hot[other]
    torch.testing.assert_close(value, nn.functional.cross_entropy(predict(seen[0]), soft))


def test_mixup_draws_its_shares_from_beta():
    shares = []
    images = torch.tensor([1.0, 0.0]).view(2, 1, 1, 1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for _ in range(400):
            Mixup(2.0).on_batch(
                lambda mixed: (shares.append(mixed[0].item()), torch.zeros(2, 3))[1],
                batch(images, torch.tensor([0, 1])),
            )
    assert scipy.stats.kstest(shares, scipy.stats.beta(2, 2).cdf).pvalue > 1e-4  # one in 10,000 fails


def two_opinions():
    """Logits of two networks, (2, 4, 2), and labels; the first finds images 0 and 1 likeliest, the second 2 and 3."""
    sure, unsure = [4.0, 0.0], [0.0, 4.0]
    first, second = [sure, sure, unsure, unsure], [unsure, unsure, sure, sure]
    return torch.tensor([first, second], requires_grad=True), torch.zeros(4, dtype=torch.int64)


def test_each_network_learns_from_what_the_other_finds_likeliest():
    logits, labels = two_opinions()
    value = CoTeaching(forget=0.5, ramp=0.5).on_batch(lambda _: logits, batch(logits[0], labels, progress=0.9))
    (gradient,) = torch.autograd.grad(value, logits)
    assert gradient[0].any(dim=1).tolist() == [False, False, True, True]
    assert gradient[1].any(dim=1).tolist() == [True, True, False, False]
    losses = nn.functional.cross_entropy(logits[0, 2:], labels[2:]) + nn.functional.cross_entropy(
        logits[1, :2], labels[:2]
    )
    torch.testing.assert_close(value, losses)


@pytest.mark.parametrize(("progress", "kept"), [(0.0, 100), (0.25, 80), (0.5, 60), (0.9, 60)])
def test_co_teaching_leaves_out_more_and_more(progress, kept):
    logits = torch.randn(2, 100, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    labels = torch.zeros(100, dtype=torch.int64)
    value = CoTeaching(forget=0.4, ramp=0.5).on_batch(lambda _: logits, batch(logits[0], labels, progress))
    (gradient,) = torch.autograd.grad(value, logits)
    assert gradient.any(dim=2).sum(dim=1).tolist() == [kept, kept]


def test_a_pair_has_two_networks_that_stay_apart():
    pair = Pair(nn.Linear(4, 3), nn.Linear(4, 3))
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(pair(x), torch.stack([pair.first(x), pair.second(x)]))
    torch.testing.assert_close(pair.eval()(x), pair.first(x))


def test_resampling_is_reweighting_on_average():
    matrix = [[0.7, 0.3, 0.0], [0.0, 0.8, 0.2], [0.1, 0.3, 0.6]]
    logits, labels = drawn(16)
    loss = Resampled(matrix).double()
    weights = Reweighted(matrix).double().weights(logits, labels)
    losses = nn.functional.cross_entropy(logits, labels, reduction="none")
    share = weights / weights.sum()
    mean = (share * losses).sum()
    torch.testing.assert_close(loss.eval()(logits, labels), mean)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        values = torch.stack([loss.train()(logits, labels) for _ in range(1500)])
    deviation = ((share * (losses - mean) ** 2).sum() / 16).sqrt()  # of the mean of 16 draws
    assert abs(values.mean() - mean) < 4.5 * deviation / 1500**0.5  # one in 150,000 fails
    # A deviation over n values of a near normal distribution is known to a part of 1 / sqrt(2 n); five of them: one in
    # 1.7 million fails.
    assert values.std().item() == pytest.approx(deviation.item(), rel=5 / 3000**0.5)


def test_no_gradient_flows_through_the_weights_of_resampling():
    logits, labels = drawn(16)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        (gradient,) = torch.autograd.grad(
            Resampled(np.eye(3) * 0.4 + 0.2).double()(logits.requires_grad_(), labels), logits
        )
        torch.manual_seed(1)
        weights = Reweighted(np.eye(3) * 0.4 + 0.2).double().weights(logits, labels)
        draws = torch.multinomial(weights, 16, replacement=True)
    counts = torch.bincount(draws, minlength=16)
    expected = counts.unsqueeze(1) * (logits.softmax(dim=1) - nn.functional.one_hot(labels, 3)) / 16
    torch.testing.assert_close(gradient, expected)


def test_labels_that_are_all_ruled_out_are_still_weighed_against_each_other():
    logits, labels = torch.tensor([[120.0, 0.0, 0.0], [121.0, 0.0, 0.0]], requires_grad=True), torch.tensor([1, 1])
    loss = Resampled([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        assert loss(logits, labels).item() in (120.0, 120.5, 121.0)
    # The weights are in proportion to exp(-120) and exp(-121), as the label is of one more likely class for both.
    value = loss.eval()(logits, labels)
    assert value.item() == pytest.approx((120 * np.e + 121) / (np.e + 1))
    assert torch.isfinite(torch.autograd.grad(value, logits)[0]).all()


def test_early_learning_keeps_the_type_of_its_means():
    loss, (logits, labels) = EarlyLearning(4, 3), drawn(4)
    assert torch.isfinite(loss.on_batch(lambda _: logits, batch(logits, labels)))
    assert loss.targets.dtype == torch.float32


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GeneralisedCrossEntropy(0), "power must be a number above 0 up to 1, not 0"),
        (lambda: GeneralisedCrossEntropy(1.5), "power must be a number above 0 up to 1, not 1.5"),
        (lambda: SymmetricCrossEntropy(alpha=-1), "alpha must be a number above 0 and finite, not -1"),
        (lambda: SymmetricCrossEntropy(beta=float("nan")), "beta must be a number above 0 and finite, not nan"),
        (lambda: SymmetricCrossEntropy(beta=float("inf")), "beta must be a number above 0 and finite, not inf"),
        (lambda: SymmetricCrossEntropy(log_of_zero=0), "log_of_zero must be a number below 0 and finite, not 0"),
        (lambda: EarlyLearning(8, 3, weight="3"), "weight must be a number above 0 and finite, not '3'"),
        (lambda: EarlyLearning(8, 3, memory=2), "memory must be a number above 0 up to 1, not 2"),
        (lambda: EarlyLearning(0, 3), "n_samples must be a whole number from 1 up, not 0"),
        (lambda: Mixup(0.0), "alpha must be a number from 1e-6 to 1e6, not 0.0"),
        (lambda: CoTeaching(forget=0.0), "forget must be a number above 0 up to 1, not 0.0"),
        (lambda: CoTeaching(ramp=None), "ramp must be a number above 0 up to 1, not None"),
    ],
)
def test_an_option_out_of_range_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_means_that_there_is_no_memory_for_are_refused_before_it_is_taken(monkeypatch):
    monkeypatch.setattr("os.sysconf", lambda name: 1000)  # pages of as many bytes
    assert EarlyLearning(1000, 100).targets.shape == (1000, 100)
    with pytest.raises(InputError, match="Targets for n_samples = 1,000 would take"):
        EarlyLearning(1000, 200)


def test_a_loss_without_memory_can_be_used_again():
    for loss in (Mixup(), CoTeaching(), GeneralisedCrossEntropy(), SymmetricCrossEntropy()):
        assert not list(loss.parameters())
        assert not list(copy.deepcopy(loss).buffers())


@pytest.mark.parametrize("alpha", [1e-6, 1e6])
def test_the_ends_of_what_alpha_may_be_are_among_it(alpha):
    assert Mixup(alpha).alpha == alpha
    with pytest.raises(InputError, match="alpha must be a number from 1e-6 to 1e6"):
        Mixup(np.nextafter(alpha, 0 if alpha < 1 else np.inf))


@pytest.mark.parametrize("make", [lambda x: SymmetricCrossEntropy(alpha=x), lambda x: SymmetricCrossEntropy(beta=x),
                                  lambda x: SymmetricCrossEntropy(log_of_zero=-x),
                                  lambda x: EarlyLearning(8, 3, weight=x)])  # fmt: skip
def test_a_weight_may_be_of_any_size_but_0(make):
    for least in (5e-324, 1e300):
        make(least)
    with pytest.raises(InputError, match=r"0 and finite, not -?0"):
        make(0)


@pytest.mark.parametrize("make", [GeneralisedCrossEntropy, lambda x: EarlyLearning(8, 3, memory=x),
                                  lambda x: CoTeaching(forget=x), lambda x: CoTeaching(ramp=x)])  # fmt: skip
def test_a_share_may_be_of_any_size_from_above_0_up_to_1(make):
    for share in (5e-324, 1, 1.0):
        make(share)
    for share in (0, np.nextafter(1, 2)):
        with pytest.raises(InputError, match="must be a number above 0 up to 1, not"):
            make(share)


def test_unless_told_otherwise_images_are_mixed_by_any_share_alike():
    """Beta(1, 1), which is uniform."""
    shares = []
    with torch.random.fork_rng():
        torch.manual_seed(0)
        images = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
        for _ in range(400):
            Mixup().on_batch(lambda x: (shares.append(x[0, 0].item()), x)[1], batch(images, torch.tensor([0, 1])))
    assert scipy.stats.kstest(shares, "uniform").pvalue > 1e-4  # one in 10,000 fails


@pytest.mark.parametrize(("progress", "kept"), [(0.0, 100), (0.25, 90), (0.5, 80), (0.9, 80)])
def test_unless_told_otherwise_a_fifth_is_left_out_from_the_middle_on(progress, kept):
    logits, labels = (
        torch.randn(2, 100, 3, generator=torch.Generator().manual_seed(0)).requires_grad_(),
        torch.zeros(100, dtype=torch.int64),
    )
    value = CoTeaching().on_batch(lambda _: logits, batch(logits[0], labels, progress))
    (gradient,) = torch.autograd.grad(value, logits)
    assert gradient.any(dim=2).sum(dim=1).tolist() == [kept, kept]


def test_where_all_labels_were_to_be_left_out_the_likeliest_is_learned_from():
    logits, labels = two_opinions()
    more = logits + torch.tensor([[0.0, 0], [1, 0], [0, 0], [1, 0]])  # the second image, and the fourth
    value = CoTeaching(forget=1, ramp=0.5).on_batch(lambda _: more, batch(more[0], labels, progress=0.9))
    (gradient,) = torch.autograd.grad(value, logits)
    assert gradient[0].any(dim=1).tolist() == [False, False, False, True]
    assert gradient[1].any(dim=1).tolist() == [False, True, False, False]
    torch.testing.assert_close(
        value, CrossEntropy()(more[0, 3:], labels[3:]) + CrossEntropy()(more[1, 1:2], labels[1:2])
    )


def test_the_loss_of_two_networks_is_the_sum_of_their_means():
    logits, labels = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0)), torch.arange(5) % 3
    value = CoTeaching(forget=0.5).on_batch(lambda _: logits, batch(logits[0], labels))
    torch.testing.assert_close(value, CrossEntropy()(logits[0], labels) + CrossEntropy()(logits[1], labels))
