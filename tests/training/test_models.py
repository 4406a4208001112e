import pytest
import torch

from labelnoise.errors import InputError
from labelnoise.training import MODELS, AlexNet, build, oriented_gradients, seeded

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def weights(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("image_size", "in_channels", "n_classes"), [(28, 1, 3), (32, 3, 10), (64, 3, 2), (28, 3, 7)])
def test_a_network_maps_images_to_one_logit_a_class(name, image_size, in_channels, n_classes, device):
    model = build(name, n_classes, in_channels, image_size, seed=0).to(device)
    images = torch.rand(2, in_channels, image_size, image_size, generator=torch.Generator().manual_seed(0))
    logits = model(images.to(device))
    assert logits.shape == (2, n_classes)
    assert logits.isfinite().all()
    assert not torch.equal(*model.features(images.to(device)))


def test_alexnet_starts_with_every_class_equally_likely():
    logits = build("alexnet", 5, seed=0)(torch.rand(2, 1, 28, 28))
    assert torch.equal(logits, torch.zeros(2, 5))


def test_lenet_has_as_many_parameters_as_counted_by_hand():
    convolutions = (5 * 5 * 1 + 1) * 6 + (5 * 5 * 6 + 1) * 16
    dense = (5 * 5 * 16 + 1) * 120 + (120 + 1) * 84 + (84 + 1) * 10
    assert convolutions + dense == 61_706
    assert len(weights(build("lenet", 10, seed=0))) == 61_706


def test_alexnet_at_full_width_has_the_channels_of_the_original():
    model = AlexNet(10, width=1.0)
    channels = [layer.out_channels for layer in model.features if isinstance(layer, torch.nn.Conv2d)]
    assert channels == [96, 256, 384, 384, 256]


def test_the_linear_classifier_learns_one_weight_for_each_standardised_gradient_and_class_and_nothing_below():
    model, images = build("linear", 3, seed=0), torch.rand(300, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    features = oriented_gradients(images)
    assert torch.equal(model.features(images).flatten(1), features)
    assert torch.equal(model.eval()(model.features(images)), model(images))
    assert {name for name, _ in model.named_parameters()} == {"classifier.2.weight", "classifier.2.bias"}
    last = model.classifier[-1]
    assert last.weight.shape == (3, features.shape[1])
    spread = features.std(dim=0, correction=0)
    assert spread.min() > 0.05  # so that what BatchNorm1d adds to the variance does not count
    standardised = (features - features.mean(dim=0)) / spread
    torch.testing.assert_close(model.train()(images), last(standardised), atol=1e-2, rtol=1e-2)


@pytest.mark.parametrize("name", MODELS)
def test_initial_weights_depend_on_the_seed_alone(name):
    first = weights(build(name, 3, seed=1))
    with seeded(99):
        assert torch.equal(weights(build(name, 3, seed=1)), first)
    assert not torch.equal(weights(build(name, 3, seed=2)), first)


@pytest.mark.parametrize("name", MODELS)
def test_building_leaves_the_default_generator_as_it_was(name):
    before = torch.get_rng_state()
    build(name, 3, seed=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_seeded_puts_the_state_back_after_an_error():
    before = torch.get_rng_state()

    def fail():
        with seeded(3):
            torch.rand(5)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("resnet", 3), "Unknown model 'resnet'; use one of: lenet, alexnet"),
        (("lenet", 3, 1, 27), "The images are 27 pixels wide; lenet needs at least 28"),
        (("alexnet", 3, 1, 16), "The images are 16 pixels wide; alexnet needs at least 28"),
        (("lenet", 3, 2), r"The images have 2 channels; use 1 \(grey\) or 3 \(colour\)"),
    ],
)
def test_what_no_network_can_be_built_for_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        build(*arguments, seed=0)
