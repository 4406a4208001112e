import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from labelnoise import transitions
from labelnoise.errors import InputError
from labelnoise.losses import _corrected as losses
from labelnoise.losses import _learned as learned

T = np.array([[0.5, 0.2, 0.3], [0.3, 0.5, 0.2], [0.2, 0.3, 0.5]])
SKEWED = np.array([[0.7, 0.2, 0.1], [0.0, 0.6, 0.4], [0.15, 0.05, 0.8]])
CLEAN = torch.tensor(  # P(clean | x) at four values of x, shape (4, n_classes)
    [[0.9, 0.05, 0.05], [0.2, 0.7, 0.1], [0.1, 0.3, 0.6], [0.4, 0.3, 0.3]], dtype=torch.float64
)
FREE = [learned.VolumeMinimised, learned.TotalVariation, learned.SigmoidVolumeMinimised]
MAKERS = [*(lambda kind=kind: kind(3) for kind in FREE), lambda: learned.Revised(T), lambda: learned.Revised(SKEWED)]
every_loss = pytest.mark.parametrize(
    "make", MAKERS, ids=["volume", "variation", "sigmoid", "revised", "revised-skewed"]
)


def drawn(n, seed=0, scale=2.0):
    """Logits, shape (n, 3), float64, and noisy labels, shape (n,)."""
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(n, 3, generator=generator, dtype=torch.float64)
    return logits, torch.randint(3, (n,), generator=generator)


def current(loss):
    """The loss's T as numpy, after the check that it is a transition matrix."""
    return transitions.validate(loss.transition_matrix.detach().numpy())


def stepped(loss, steps=5, learning_rate=0.1):
    """The loss in float64 after a few steps of its own parameters on random labels."""
    loss.double()
    optimizer = torch.optim.Adam(loss.parameters(), lr=learning_rate)
    for seed in range(steps):
        optimizer.zero_grad()
        loss(*drawn(32, seed)).backward()
        optimizer.step()
    return loss


def fitted(loss, logits, noisy_labels):
    """T at the least loss over the parameters of the loss alone, shape (3, 3)."""
    loss.double()
    optimizer = torch.optim.LBFGS(loss.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def step():
        optimizer.zero_grad()
        value = loss(logits, noisy_labels)
        value.backward()
        return value

    optimizer.step(step)
    return current(loss)


def perfect(matrix, n=9000, seed=0):
    """Logits sure of the clean class, shape (n, 3), and noisy labels drawn from the rows of T, shape (n,)."""
    generator = torch.Generator().manual_seed(seed)
    clean = torch.arange(n) % 3
    noisy = torch.multinomial(torch.from_numpy(matrix)[clean], 1, generator=generator).squeeze(1)
    return 40 * torch.nn.functional.one_hot(clean, 3).double(), noisy


@every_loss
@pytest.mark.parametrize("learning_rate", [0.1, 1.0])
def test_the_matrix_is_one_at_the_start_and_after_steps(make, learning_rate):
    loss = make()
    start = current(loss)
    assert not np.allclose(current(stepped(loss, learning_rate=learning_rate)), start, atol=1e-2)


@pytest.mark.parametrize("kind", FREE)
def test_the_start_is_symmetric_with_the_diagonal_asked_for(kind):
    np.testing.assert_allclose(current(kind(4, start_diagonal=0.7)), transitions.symmetric(4, 0.3), atol=1e-6)


@pytest.mark.parametrize("kind", FREE[:2])
@pytest.mark.parametrize(("n_classes", "diagonal"), [(2, 0.6), (3, 0.45), (10, 0.45)])
def test_the_start_is_noisy_and_above_chance_unless_told_otherwise(kind, n_classes, diagonal):
    np.testing.assert_allclose(current(kind(n_classes)), transitions.symmetric(n_classes, 1 - diagonal), atol=1e-6)


@pytest.mark.parametrize(("n_classes", "diagonal"), [(3, 0.80749), (10, 0.48243)])
def test_the_sigmoid_form_starts_where_its_authors_do(n_classes, diagonal):
    """Their free numbers are -2, and a sigmoid of -2 is 0.1192, so that the diagonal is 1 / (1 + 0.1192 (C - 1))."""
    start = current(learned.SigmoidVolumeMinimised(n_classes))
    np.testing.assert_allclose(start, transitions.symmetric(n_classes, 1 - diagonal), atol=1e-5)


def test_the_sigmoid_form_keeps_the_right_label_the_most_frequent():
    """Labels that are each class's next one, which the softmax of the same loss learns."""
    swapped = np.roll(np.eye(3), 1, axis=1)
    data = perfect(0.8 * swapped + 0.2 * np.eye(3))
    assert (fitted(learned.VolumeMinimised(3, weight=0), *data).argmax(axis=1) == [1, 2, 0]).all()
    matrix = fitted(learned.SigmoidVolumeMinimised(3, weight=0), *data)
    assert (matrix.diagonal() >= matrix.max(axis=1) - 1e-9).all()


@pytest.mark.parametrize("matrix", [T, SKEWED, np.eye(3)], ids=["T", "skewed", "identity"])
def test_a_revision_starts_at_its_estimate(matrix):
    np.testing.assert_allclose(current(learned.Revised(matrix)), matrix, atol=1e-7)


def test_what_is_learned_is_added_to_the_estimate_and_what_falls_below_0_is_clipped():
    loss = learned.Revised(SKEWED)
    with torch.no_grad():
        loss.delta[:] = torch.tensor([[0.1, -0.3, 0.0], [0.2, 0.0, 0.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(current(loss), [[8 / 9, 0, 1 / 9], [1 / 6, 1 / 2, 1 / 3], SKEWED[2]], atol=1e-7)


@every_loss
def test_in_eval_mode_the_loss_is_the_correction_by_the_current_matrix(make):
    loss, (logits, labels) = stepped(make()).eval(), drawn(16, seed=9)
    theirs = losses.Forward(current(loss)).double()(logits, labels)
    torch.testing.assert_close(loss(logits, labels), theirs, rtol=1e-6, atol=1e-6)


def test_in_train_mode_the_volume_is_added():
    loss, (logits, labels) = stepped(learned.VolumeMinimised(3, weight=0.25)), drawn(5)
    added = loss(logits, labels) - loss.eval()(logits, labels)
    assert added.item() == pytest.approx(0.25 * np.log(abs(np.linalg.det(current(loss)))), rel=1e-9)


def test_in_train_mode_the_total_variation_of_neighbours_is_subtracted():
    loss, (logits, labels) = learned.TotalVariation(3, weight=0.25).double(), drawn(4)
    added = loss(logits, labels) - loss.eval()(logits, labels)
    q = np.exp(logits.numpy()) / np.exp(logits.numpy()).sum(axis=1, keepdims=True)
    distances = [np.abs(q[i] - q[j]).sum() / 2 for i, j in [(0, 1), (1, 2), (2, 3), (3, 0)]]
    assert added.item() == pytest.approx(-0.25 * np.mean(distances), rel=1e-9)


def test_in_train_mode_a_revision_is_reweighting_by_the_current_matrix():
    loss, (logits, labels) = stepped(learned.Revised(T)), drawn(5)
    theirs = losses.Reweighted(current(loss)).double()(logits, labels)
    torch.testing.assert_close(loss(logits, labels), theirs, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", FREE)
@pytest.mark.parametrize("training", [True, False])
def test_gradients_for_the_network_and_the_matrix_are_right(kind, training):
    loss, (logits, labels) = stepped(kind(3, weight=0.5)).train(training), drawn(4)

    def value(z, rows):
        return torch.func.functional_call(loss, {"rows": rows}, (z, labels))

    assert gradcheck(value, (logits.requires_grad_(), loss.rows.detach().clone().requires_grad_()))


def test_the_gradient_for_a_revision_is_right():
    loss, (logits, labels) = stepped(learned.Revised(T), learning_rate=0.01), drawn(4)

    def value(delta):
        return torch.func.functional_call(loss, {"delta": delta}, (logits, labels))

    assert gradcheck(value, loss.delta.detach().clone().requires_grad_())


def test_the_network_gets_the_gradient_of_reweighting_without_one_through_the_weight():
    loss, (logits, labels) = stepped(learned.Revised(T)), drawn(8)
    logits.requires_grad_()
    ours = torch.autograd.grad(loss(logits, labels), logits)[0]
    theirs = torch.autograd.grad(losses.Reweighted(current(loss)).double()(logits, labels), logits)[0]
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("matrix", [SKEWED, np.eye(3)], ids=["skewed", "identity"])
def test_an_entry_that_starts_at_0_can_still_be_revised(matrix):
    loss, (logits, labels) = learned.Revised(matrix).double(), drawn(64)
    loss(logits, labels).backward()
    assert loss.delta.grad.isfinite().all()
    assert (loss.delta.grad[torch.from_numpy(matrix == 0)].abs() > 1e-4).all()


def test_a_revision_does_not_rest_at_the_true_matrix():
    loss = learned.Revised(T).double()
    noisy = CLEAN @ torch.from_numpy(T)
    risk = sum(noisy[x, j] * loss(CLEAN[x : x + 1].log(), torch.tensor([j])) for x in range(4) for j in range(3)) / 4
    (gradient,) = torch.autograd.grad(risk, loss.delta)
    assert gradient.abs().max() > 1e-2


@pytest.mark.parametrize("matrix", [T, SKEWED], ids=["T", "skewed"])
@pytest.mark.parametrize(
    "make",
    [lambda: learned.VolumeMinimised(3, weight=0), lambda: learned.SigmoidVolumeMinimised(3, weight=0), MAKERS[1]],
    ids=["volume", "sigmoid", "variation"],
)
def test_where_the_network_is_right_the_true_matrix_is_learned(make, matrix):
    n = 9000
    found = fitted(make(), *perfect(matrix, n))
    # The least loss is at the fractions counted among n / 3 samples per class: binomial, within 5 standard deviations,
    # which of nine entries one in 190,000 exceeds.
    # A softmax reaches an entry of 0 only in the limit, hence the small addition.
    assert (np.abs(found - matrix) <= 5 * np.sqrt(matrix * (1 - matrix) / (n / 3)) + 1e-4).all()


def test_a_heavier_volume_gives_a_smaller_one():
    logits, noisy = perfect(T)
    volumes = [np.linalg.det(fitted(learned.VolumeMinimised(3, weight), logits, noisy)) for weight in (0, 0.003, 0.01)]
    assert volumes[0] > volumes[1] > volumes[2] > 0


@every_loss
def test_extreme_logits_give_a_finite_loss_and_gradient(make):
    for logits in ([[200.0, -200.0, 0.0]], [[-200.0, 200.0, -200.0]], [[200.0, 200.0, -200.0]]):
        for label in range(3):
            loss, z = make(), torch.tensor(logits, requires_grad=True)
            value = loss(z, torch.tensor([label]))
            value.backward()
            assert value.isfinite()
            assert all(p.grad.isfinite().all() for p in [z, *loss.parameters()])


@pytest.mark.parametrize("kind", FREE)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_classes": 1}, r"n_classes must be a whole number from 2 up, not 1\."),
        ({"n_classes": 2.5}, r"n_classes must be a whole number from 2 up, not 2\.5\."),
        ({"n_classes": 3, "weight": -0.1}, r"weight must be a finite number from 0 up, not -0\.1\."),
        ({"n_classes": 3, "weight": float("nan")}, r"weight must be a finite number from 0 up, not nan\."),
        ({"n_classes": 4, "start_diagonal": 0.25}, r"start_diagonal must lie strictly between 1/4 and 1, not 0\.25\."),
        ({"n_classes": 4, "start_diagonal": 1.0}, r"start_diagonal must lie strictly between 1/4 and 1, not 1\.0\."),
    ],
)
def test_an_argument_out_of_range_is_named(kind, arguments, message):
    with pytest.raises(InputError, match=message):
        kind(**arguments)


def test_a_matrix_that_is_none_is_refused():
    with pytest.raises(InputError, match="its columns do, so pass its transpose"):
        learned.Revised([[0.9, 0.3], [0.1, 0.7]])


def test_total_variation_weighs_a_tenth_of_the_loss_unless_told_otherwise():
    logits, labels = drawn(4)
    free, plain, tenth = (learned.TotalVariation(3, **given) for given in ({}, {"weight": 0}, {"weight": 0.1}))
    torch.manual_seed(0)
    usual = free(logits, labels)
    torch.manual_seed(0)
    assert usual == tenth(logits, labels)
    assert usual != plain(logits, labels)


@pytest.mark.parametrize("kind", [learned.VolumeMinimised, learned.SigmoidVolumeMinimised])
def test_a_volume_weighs_as_its_authors_have_it_unless_told_otherwise(kind):
    logits, labels = drawn(4)
    loss = kind(3, start_diagonal=0.7).double()
    added = loss(logits, labels) - loss.eval()(logits, labels)
    assert added.item() == pytest.approx(1e-4 * np.log(np.linalg.det(current(loss))), rel=1e-9)


def test_what_is_learned_of_the_matrix_moves_faster_than_the_network_and_a_revision_slower():
    """By units, where the weights of a network move by hundredths; and a revision is never to outrun the network."""
    assert {kind.relative_rate for kind in FREE} == {10}
    assert learned.Revised.relative_rate == 0.03


def test_the_sigmoid_form_starts_at_a_diagonal_of_almost_1_too():
    found = current(learned.SigmoidVolumeMinimised(3, start_diagonal=0.9999))
    np.testing.assert_allclose(found, transitions.symmetric(3, 1e-4), atol=1e-6)


@pytest.mark.parametrize("kind", FREE)
def test_a_weight_of_0_and_any_diagonal_above_chance_are_taken(kind):
    for diagonal in (np.nextafter(np.float32(0.25), np.float32(1)), 0.999):
        assert current(kind(4, weight=0, start_diagonal=float(diagonal)))[0, 0] == pytest.approx(diagonal, abs=1e-6)
