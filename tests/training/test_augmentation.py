import pytest
import torch

from labelnoise.training import shifted_and_flipped
from labelnoise.training._augmentation import LARGEST_SHIFT

SIDE, REACH = 12, 2 * LARGEST_SHIFT + 1


def changed(images, seed=0):
    return shifted_and_flipped(images, torch.Generator().manual_seed(seed))


def every_change(image):
    """All that an image can become, by its shift and side: from the definition, a pixel at a time."""
    found = {}
    clamp = lambda k: min(max(k, 0), SIDE - 1)  # noqa: E731
    for down in range(-LARGEST_SHIFT, LARGEST_SHIFT + 1):
        for right in range(-LARGEST_SHIFT, LARGEST_SHIFT + 1):
            rows = [clamp(i + down) for i in range(SIDE)]
            columns = [clamp(j + right) for j in range(SIDE)]
            moved = image[:, rows][:, :, columns]
            found[down, right, False], found[down, right, True] = moved, moved.flip(2)
    return found


def test_an_image_is_shifted_and_mirrored_and_every_change_is_as_likely():
    image = torch.randn(2, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    possible = every_change(image)
    n = 4000
    counts = dict.fromkeys(possible, 0)
    for one in changed(image.expand(n, -1, -1, -1)):
        matches = [name for name, other in possible.items() if torch.equal(one, other)]
        assert len(matches) == 1
        counts[matches[0]] += 1
    expected = n / (2 * REACH**2)
    statistic = sum((count - expected) ** 2 / expected for count in counts.values())
    assert statistic < 95  # the chi-square of 49 degrees of freedom passes it once in 10,000 times


def test_the_generator_decides():
    images = torch.randn(8, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(2))
    assert torch.equal(changed(images), changed(images))
    assert not torch.equal(changed(images), changed(images, seed=1))


@pytest.mark.parametrize("shape", [(3, 1, 28, 28), (3, 3, 12, 20)])
def test_shape_and_values_stay(shape):
    images = torch.randn(shape, generator=torch.Generator().manual_seed(3))
    before = images.clone()
    found = changed(images)
    assert found.shape == shape
    assert set(found.flatten().tolist()) <= set(images.flatten().tolist())
    assert torch.equal(images, before)
