"""What a loss is called with as labels: one class for each row of the logits, or it is refused."""

import numpy as np
import pytest
import torch

from labelnoise import losses
from labelnoise.errors import InputError
from labelnoise.training import METHODS

N, N_CLASSES = 36, 3
T = np.full((N_CLASSES, N_CLASSES), 0.1) + 0.7 * np.eye(N_CLASSES)
LABELS = torch.arange(N) % N_CLASSES
ROW_1 = torch.arange(N) == 1
BAD = {
    "below the classes": (torch.where(ROW_1, -1, LABELS), r"-1 in row 1; with 3 classes"),
    "torch's ignore_index": (torch.where(ROW_1, -100, LABELS), r"-100 in row 1; with 3 classes"),
    "beyond the classes": (torch.where(ROW_1, 3, LABELS), r"3 in row 1; with 3 classes"),
    "too few": (LABELS[:3], r"shape \(36, 3\), not a tensor of torch.int64 .*\(3,\)"),
    "too many": (LABELS.repeat(2), r"shape \(36, 3\), not a tensor of torch.int64 .*\(72,\)"),
    "fractions": (LABELS.float(), r"shape \(36, 3\), not a tensor of torch.float32"),
    "booleans": (LABELS > 0, r"shape \(36, 3\), not a tensor of torch.bool"),
    "probabilities": (torch.eye(N_CLASSES)[LABELS], r"shape \(36, 3\), not a tensor of torch.float32"),
    "no tensor": (LABELS.numpy(), r"shape \(36, 3\), not array"),
}


def logits():
    return torch.randn(N, N_CLASSES, generator=torch.Generator().manual_seed(0))


def made(name):
    recipe = METHODS[name]
    soft_labels = T[LABELS] if recipe.needs_soft_labels else None
    return recipe.make_loss(T if recipe.needs_transition else None, N_CLASSES, N, soft_labels)


def learned_from(loss, labels):
    """The loss of a batch in the middle of a training, with the seed that torch draws by."""
    torch.manual_seed(0)
    if not hasattr(loss, "on_batch"):
        return loss(logits(), labels)
    both = torch.stack([logits(), -logits()]) if isinstance(loss, losses.CoTeaching) else logits()
    return loss.on_batch(lambda _: both, losses.Batch(torch.zeros(N, 1, 2, 2), labels, torch.arange(N), 0.9))


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize(("labels", "said"), BAD.values(), ids=BAD)
@pytest.mark.parametrize("name", METHODS)
def test_labels_that_are_no_classes_are_refused(name, labels, said, training):
    loss = made(name).train(training)
    with pytest.raises(InputError, match=said):
        loss(logits(), labels)


@pytest.mark.parametrize("name", [each for each in METHODS if type(made(each)) is not losses.SoftCrossEntropy])
def test_no_loss_learns_from_labels_that_are_no_classes(name):
    for labels, said in BAD.values():
        with pytest.raises(InputError, match=said):
            learned_from(made(name), labels)


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("n_classes", [1, 2, 4])
@pytest.mark.parametrize(
    "name", [each for each in METHODS if METHODS[each].needs_transition or METHODS[each].learns_transition]
)
def test_logits_of_other_classes_than_t_has_are_refused(name, n_classes, training):
    loss = made(name).train(training)
    with pytest.raises(InputError, match=rf"a column for each of the 3 classes of T, not shape \({N}, {n_classes}\)"):
        loss(torch.zeros(N, n_classes), torch.zeros(N, dtype=torch.int64))


@pytest.mark.parametrize("name", METHODS)
def test_integers_of_any_type_are_the_same_labels(name):
    expected = learned_from(made(name), LABELS)
    for dtype in (torch.uint8, torch.int8, torch.int16, torch.int32):
        assert torch.equal(learned_from(made(name), LABELS.to(dtype)), expected)


@pytest.mark.parametrize("kind", [losses.Reweighted, losses.Resampled])
def test_no_weights_are_given_to_labels_that_are_no_classes(kind):
    for labels, said in BAD.values():
        with pytest.raises(InputError, match=said):
            kind(T).weights(logits(), labels)
