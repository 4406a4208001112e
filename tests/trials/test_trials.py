import contextlib
import dataclasses
import functools
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from labelnoise import data
from labelnoise.data._datasets import Images
from labelnoise.errors import InputError
from labelnoise.estimators import ESTIMATORS, FEATURE_ESTIMATORS
from labelnoise.losses import Forward, Guided, SoftCrossEntropy
from labelnoise.noise import derive_seed
from labelnoise.statistics import QUANTILES
from labelnoise.training import FEATURES, METHODS, PROTOCOL, ROUNDS, WITH_GRAPH, Method, Settings, _precision, protocol
from labelnoise.trials import GIVEN_BY_METHODS, Record, Trial, initial_model, prepare, run, trial
from labelnoise.trials import _reading as reading
from labelnoise.trials import _running as running
from labelnoise.trials import _trial as trials

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
N_TRAIN, N_TEST = 400, 90


def numbered(n, seed):
    """Images whose first pixels hold their number, noise elsewhere, and labels of three classes."""
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    images = generator.integers(100, size=(n, 1, 28, 28)) + 50 * labels.reshape(n, 1, 1, 1)
    images[:, 0, 0, :4] = np.stack([np.zeros(n), np.full(n, 255), np.arange(n) // 256, np.arange(n) % 256], axis=1)
    return Images(images.astype(np.uint8)), labels


def numbers(images):
    """The numbers of images, normalised or not."""
    zero, full, high, low = images[:, 0, 0, :4].double().T
    return [round(x) for x in ((high - zero) / (full - zero) * 255 * 256 + (low - zero) / (full - zero) * 255).tolist()]


@contextlib.contextmanager
def in_place_of(name, dataset):
    """Another data set by the name of one that trials know."""

    def forget():
        data.loaded.cache_clear()
        data.true_matrix.cache_clear()

    entry = dataclasses.replace(data.DATASETS[name], read=lambda: dataset)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(data.DATASETS, name, entry)
        forget()
        yield
    forget()


@contextlib.contextmanager
def small_set():
    """A data set of numbered images in place of the paper's."""
    dataset = data.Dataset(*numbered(N_TRAIN, 0), *numbered(N_TEST, 1), ("a", "b", "c"))
    with in_place_of("fashion-mnist-3", dataset), pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "RESAMPLES", 4)  # the bootstrap takes longer than so small a training
        yield dataset


@pytest.fixture(scope="module")
def small():
    with small_set() as dataset:
        yield dataset


@pytest.fixture(scope="module")
def ran(small):
    """Runs a trial with those that it needs, each once for all tests."""

    @functools.cache
    def run_once(asked):
        needed = asked.prerequisite()
        return run(asked, run_once(needed) if needed else None)

    return run_once


def labels_by_image(prepared):
    noisy = prepared.noisy
    return dict(zip(numbers(noisy.images), noisy.noisy_labels.tolist(), strict=True))


def same(a, b):
    """Whether two records agree in all but time and place."""
    return all(
        dataclasses.replace(r, seconds=0.0, provenance={}) == dataclasses.replace(a, seconds=0.0, provenance={})
        for r in (a, b)
    )


CHANGES = {
    "dataset": "fashion-mnist",
    "noise": "symmetric-0.2",
    "model": "alexnet",
    "method": "backward",
    "transition": "anchor-97",
    "seed": 1,
    "images": 601,
}
SETTINGS_CHANGES = {
    "epochs": 2,
    "batch_size": 64,
    "learning_rate": 1e-3,
    "weight_decay": 0.0,
    "optimizer": "sgd",
    "schedule": "constant",
    "precision": "bfloat16",
    "augmentation": "shift-flip",
    "averaging": 0.9,
}


def test_a_key_changes_with_every_field(tiny):
    asked = tiny(method="forward", transition="true", noise="symmetric-0.3")
    assert {f.name for f in dataclasses.fields(Trial)} == {*CHANGES, "settings", "base", "trace", "refit", "options"}
    assert {f.name for f in dataclasses.fields(Settings)} == set(SETTINGS_CHANGES)
    others = [dataclasses.replace(asked, **{name: value}) for name, value in CHANGES.items()]
    for name, value in SETTINGS_CHANGES.items():
        changed = dataclasses.replace(asked.settings, **{name: value})
        others.append(dataclasses.replace(asked, settings=changed))
        others.append(dataclasses.replace(asked, transition="anchor-97", base=changed))
    others += [tiny(), tiny(trace=True)]  # for cross-entropy only
    assert len({t.key for t in [asked, *others]}) == 1 + len(others)


def test_a_key_changes_with_the_protocol(tiny, monkeypatch):
    before = tiny().key
    monkeypatch.setattr(trials, "PROTOCOL_VERSION", trials.PROTOCOL_VERSION + 1)
    assert tiny().key != before


def test_a_key_is_16_hexadecimal_digits(tiny):
    assert len(tiny().key) == 16
    int(tiny().key, 16)


def test_keys_and_seeds_are_the_same_in_every_process_and_version():
    code = (
        "from labelnoise.noise import derive_seed; from labelnoise.trials import trial; "
        "t = trial(model='lenet', noise='paper-0.5', method='forward', transition='anchor-97', seed=3); "
        "print(t.key, derive_seed('split', 'a', 1))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    here = trial(model="lenet", noise="paper-0.5", method="forward", transition="anchor-97", seed=3)
    made_before = ["56c88f44c592d326", "8413233955363985072"]  # records on disk have this key
    assert done.stdout.split() == [here.key, str(derive_seed("split", "a", 1))] == made_before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("dataset", np.str_("fashion-mnist-3")),
        ("noise", np.str_("paper-0.5")),
        ("noise", 0.5),
        ("model", np.str_("lenet")),
        ("method", np.str_("cross-entropy")),
        ("transition", np.str_("true")),
        ("seed", np.int64(1)),
        ("seed", True),
        ("seed", 1.0),
        ("images", np.int64(600)),
        ("images", 600.0),
        ("settings", {}),
        ("base", {}),
        ("options", [("alpha", 0.5)]),
        ("options", (["alpha", 0.5],)),
        ("options", (("alpha", 1),)),
        *(("options", (("alpha", number),)) for number in (float("inf"), float("nan"), -0.0)),
        ("options", ((np.str_("alpha"), 0.5),)),
        ("options", (("alpha", np.float64(0.5)),)),
    ],
)
def test_values_that_equal_others_but_are_written_otherwise_are_refused(tiny, field, value):
    with pytest.raises(InputError, match=r"must be (of type|a tuple of|a whole number)") as caught:
        tiny(**{field: value})
    assert repr(value) in str(caught.value) or field == "options"


def test_derived_seeds_are_seeds_and_differ():
    parts = [("split", "a", 1), ("flips", "a", 1), ("split", "a", 2), ("split", "b", 1), ("split", "a", "1")]
    seeds = [derive_seed(*p) for p in parts]
    assert len(set(seeds)) == len(parts)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_trial_has_its_models_published_settings_unless_told_otherwise(tiny):
    asked = trial(model="alexnet", noise="paper-0.6", method="cross-entropy", seed=0)
    assert asked.settings == PROTOCOL["alexnet"]
    assert (asked.dataset, asked.images) == ("fashion-mnist-3", None)
    assert tiny(dataset="fashion-mnist", noise="clean").n_classes == 10


def test_a_smoke_trial_is_small_and_has_a_key_of_its_own():
    fields = {"model": "lenet", "noise": "paper-0.6", "method": "cross-entropy", "seed": 0}
    smoke = trial(profile="smoke", **fields)
    assert (smoke.settings.epochs, smoke.images) == (1, trials.SMOKE_IMAGES)
    assert smoke.key != trial(**fields).key


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"dataset": "mnist"}, "Unknown data set 'mnist'; use one of: fashion-mnist-3, fashion-mnist"),
        ({"model": "resnet"}, "Unknown model 'resnet'; use one of: lenet, alexnet"),
        ({"method": "magic"}, "Unknown method 'magic'"),
        ({"noise": "paper-0.7"}, r"Unknown noise 'paper-0\.7'"),
        ({"noise": "symmetric-2"}, r"A noise rate must lie in \[0, 1\], not 2"),
        ({"dataset": "fashion-mnist"}, "The transition matrix has 3 classes but the data have 10"),
        ({"transition": "true"}, "cross-entropy can't take its transition matrix from 'true'; it takes none"),
        ({"method": "hog-forward", "transition": "true", "images": 100}, "needs more than 100 images .* not 100"),
        ({"method": "forward"}, "forward can't take its transition matrix from None; use one of: true, anchor-max"),
        ({"method": "forward", "transition": "guess"}, "forward can't take its transition matrix from 'guess'"),
        ({"profile": "big"}, "Unknown profile 'big'; use full or smoke"),
    ],
)
def test_a_trial_that_can_not_run_is_refused(tiny, fields, message):
    with pytest.raises(InputError, match=message):
        tiny(**fields)


def test_a_prerequisite_is_the_cross_entropy_trial_of_an_estimated_matrix(tiny):
    asked = tiny(method="backward", transition="anchor-97", seed=5)
    assert asked.prerequisite() == tiny(seed=5)
    assert tiny().prerequisite() is None
    assert tiny(method="forward", transition="true").prerequisite() is None


def test_a_prerequisite_has_the_settings_of_the_base(tiny):
    other = dataclasses.replace(tiny().settings, epochs=2)
    for fields in ({"method": "forward", "transition": "anchor-97"}, {"method": "forward-warm", "transition": "true"}):
        assert tiny(base=other, **fields).prerequisite() == tiny(settings=other)
        assert tiny(**fields).prerequisite() == tiny()


@pytest.mark.parametrize("fields", [{}, {"method": "forward", "transition": "true"}])
def test_a_trial_that_is_given_no_fit_takes_no_base(tiny, fields):
    with pytest.raises(InputError, match="is given no fit, so it takes no base"):
        tiny(base=tiny().settings, **fields)


OPTIONS = {"method": "symmetric", "options": (("alpha", 0.5), ("beta", 2.0))}


def test_options_are_part_of_a_trial_and_of_its_record(ran, tiny):
    asked = tiny(**OPTIONS)
    assert len({asked.key, tiny(method="symmetric").key, tiny(method="symmetric", options=(("alpha", 0.5),)).key}) == 3
    record = ran(asked)
    assert Record.from_json(json.loads(json.dumps(record.to_json()))) == record
    assert record.weights_sha256 != ran(tiny(method="symmetric")).weights_sha256


@pytest.mark.parametrize(
    "options", [(), (("gamma", 1.0),), (("beta", 2.0), ("alpha", 0.5)), (("alpha", 0.5), ("alpha", 0.6))]
)
def test_options_that_the_method_does_not_have_or_in_another_order_are_refused(tiny, options):
    with pytest.raises(InputError, match="symmetric has the options alpha, beta; name them once each and in order"):
        tiny(**OPTIONS | {"options": options})
    with pytest.raises(InputError, match=r"cross-entropy has the options \(none\)"):
        tiny(options=options)


def test_a_trial_whose_method_has_options_does_not_hand_them_to_its_prerequisite(tiny):
    asked = tiny(method="forward", transition="volminnet")
    assert asked.prerequisite() == tiny(method="volminnet")


def test_the_last_epoch_of_a_refit_counts(ran, tiny):
    settings = dataclasses.replace(tiny().settings, epochs=2)
    asked = tiny(refit=True, settings=settings)
    assert ran(asked).best_epoch == 1
    assert ran(asked).refitted_loss is None
    assert asked.key != tiny(settings=settings).key


@pytest.mark.parametrize("fields", [{"refit": False}, {"method": "cross-fitting", "refit": True}])
def test_a_refit_that_can_not_be_is_refused(tiny, fields):
    with pytest.raises(InputError, match="refit must be True, not for networks in folds, or left out"):
        tiny(**fields)


def test_a_refit_is_given_the_fit_of_a_trial_that_is_none(tiny):
    assert tiny(method="forward", transition="anchor-97", refit=True).prerequisite() == tiny()


@pytest.mark.parametrize(("name", "given"), [("graph-forward", "true"), ("hog-labels", None)])
@pytest.mark.parametrize("refit", [None, True])
def test_a_graph_speaks_of_the_images_that_are_learned_from_in_their_order(
    small, tiny, monkeypatch, refit, name, given
):
    made = []

    def make_loss(self, matrix, n_classes, n_samples, soft_labels=None, **options):
        made.append((n_samples, soft_labels))
        return Guided(matrix, soft_labels) if name == "graph-forward" else SoftCrossEntropy(soft_labels)

    monkeypatch.setattr(Method, "make_loss", make_loss)
    monkeypatch.setitem(FEATURES, "gradients", FEATURES["pixels"])  # the small images have no edges
    asked = tiny(method=name, transition=given, refit=refit)
    prepared = prepare(asked)
    learned = prepared.noisy if refit else prepared.train
    running.train(asked, prepared)
    n_samples, soft_labels = made[0]
    assert soft_labels.shape == (n_samples, 3) == (len(learned.images), 3)
    np.testing.assert_allclose(soft_labels.sum(axis=1), 1)
    right = (soft_labels.argmax(axis=1) == learned.clean_labels.numpy()).mean()
    assert right > 0.7  # by chance, or in another order, it would be a third, with a deviation of 0.02


@pytest.mark.parametrize("name", WITH_GRAPH)
def test_a_recipe_with_a_graph_has_settings_of_its_own(name):
    ours, plain = protocol("fashion-mnist-3", "lenet", name), protocol("fashion-mnist-3", "lenet")
    assert (ours.epochs, ours.learning_rate) == (20, 2e-3)
    assert (ours.augmentation, ours.averaging) == ("shift-flip", 0.99)
    assert ours.batch_size == plain.batch_size
    source = "true" if METHODS[name].needs_transition else None
    assert trial(noise="paper-0.5", model="lenet", method=name, transition=source, seed=0).settings == ours
    assert protocol("fashion-mnist-3", "lenet", "forward") == plain


def test_a_distorted_matrix_is_given_in_place_of_the_true_one(small, tiny):
    asked = tiny(method="forward", transition="true, towards-identity-0.5")
    matrix = running.given_matrix(asked, prepare(asked))
    np.testing.assert_allclose(matrix, (prepare(asked).transition_matrix + np.eye(3)) / 2)
    assert asked.prerequisite() is None
    assert asked.key != tiny(method="forward", transition="true").key


def test_a_random_distortion_is_another_for_each_seed_and_the_same_for_each_noise(small, tiny):
    def off(**fields):
        asked = tiny(method="forward", transition="true, at-random-0.5", **fields)
        prepared = prepare(asked)
        return running.given_matrix(asked, prepared) - prepared.transition_matrix / 2

    np.testing.assert_allclose(off(), off(noise="paper-0.6"))
    assert np.abs(off() - off(seed=1)).max() > 0.02


@pytest.mark.parametrize("transition", ["true, upside-down", "true, at-random-2", "anchor-97, transposed", "true,"])
def test_an_unknown_distortion_or_one_of_an_estimate_is_refused(tiny, transition):
    with pytest.raises(InputError, match=r"Unknown distortion|can't take its transition matrix from"):
        tiny(method="forward", transition=transition)
    with pytest.raises(InputError, match="cross-entropy can't take its transition matrix"):
        tiny(transition=transition)


def test_a_pair_is_of_two_networks_the_first_of_them_that_of_every_method(ran, tiny, monkeypatch):
    asked, given = tiny(method="co-teaching"), []
    assert ran(asked).status == "done"
    monkeypatch.setattr(running, "train_by", lambda name, networks, *_, **__: given.extend(networks))
    running.train(asked, prepare(asked))
    states = [network.state_dict() for network in (*given, initial_model(tiny()))]
    assert len(given) == 2
    assert all(torch.equal(states[0][name], states[2][name]) for name in states[0])
    assert not any(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize("images", [None, 300, 101])
def test_the_split_uses_every_noisy_image_once_and_holds_out_a_fifth(small, tiny, images):
    prepared = prepare(tiny(images=images))
    train, validation = numbers(prepared.train.images), numbers(prepared.validation.images)
    n = images or N_TRAIN
    assert len(validation) == round(0.2 * n)
    assert len(train) + len(validation) == n == len({*train, *validation})
    assert {*train, *validation} <= set(range(N_TRAIN))
    assert numbers(prepared.test.images) == list(range(N_TEST))


def test_labels_go_with_their_images(small, tiny):
    prepared = prepare(tiny(noise="pair-flip-1.0", images=None))
    for split in (prepared.train, prepared.validation):
        clean = torch.tensor(numbers(split.images)) % 3
        assert torch.equal(split.clean_labels, clean)
        assert torch.equal(split.noisy_labels, (clean + 1) % 3)
    assert torch.equal(prepared.test.clean_labels, torch.arange(N_TEST) % 3)
    assert torch.equal(prepared.test.noisy_labels, prepared.test.clean_labels)


def test_training_pixels_have_mean_0_and_deviation_1(small, tiny):
    pixels = prepare(tiny(images=None)).train.images
    assert pixels.dtype == torch.float32
    assert pixels.mean().item() == pytest.approx(0, abs=1e-5)
    assert pixels.std().item() == pytest.approx(1, abs=1e-5)


def test_methods_and_networks_share_split_and_flips(small, tiny):
    first = prepare(tiny())
    for other in (tiny(model="alexnet"), tiny(method="forward", transition="true"),
                  tiny(settings=PROTOCOL["alexnet"])):  # fmt: skip
        assert torch.equal(prepare(other).train.images, first.train.images)
        assert torch.equal(prepare(other).train.noisy_labels, first.train.noisy_labels)


def test_another_seed_gives_another_split_and_other_flips(small, tiny):
    first, second = prepare(tiny(images=None)), prepare(tiny(images=None, seed=1))
    assert numbers(first.validation.images) != numbers(second.validation.images)
    assert labels_by_image(first) != labels_by_image(second)


def test_another_noise_keeps_the_split(small, tiny):
    first, second = prepare(tiny(images=None)), prepare(tiny(images=None, noise="paper-0.6"))
    assert torch.equal(first.train.images, second.train.images)
    assert labels_by_image(first) != labels_by_image(second)


def test_a_flip_belongs_to_its_image_however_many_are_used(small, tiny):
    everything, some = (labels_by_image(prepare(tiny(images=images))) for images in (None, 100))
    assert len(some) == 100
    assert some.items() <= everything.items()


def test_noise_may_depend_on_the_image(small, tiny):
    # Numbered images are dark but for one number, so all of a class flip alike; what differs is by class and seed.
    first, again, other = (prepare(tiny(noise="instance-0.4", images=None, seed=seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.transition_matrix, again.transition_matrix)
    assert np.abs(first.transition_matrix - other.transition_matrix).max() > 0.01
    assert labels_by_image(first) == labels_by_image(again) != labels_by_image(other)
    noisy, clean = first.noisy.noisy_labels.numpy(), first.noisy.clean_labels.numpy()
    # Each image is flipped with a probability of its own, so the sum varies no more than a binomial one. Five
    # deviations: one in 1.7 million fails.
    rate = 1 - np.diag(first.transition_matrix).mean()
    assert abs((noisy != clean).mean() - rate) < 5 * np.sqrt(rate * (1 - rate) / N_TRAIN)
    np.testing.assert_array_equal(data.true_matrix("fashion-mnist-3", "instance-0.4", 0), first.transition_matrix)
    assert run(tiny(noise="instance-0.4", method="forward", transition="true")).status == "done"


def test_noise_by_pixels_as_they_are_is_another_noise_of_the_same_rate(tiny):
    usual, raw = (prepare(tiny(noise=f"instance-{form}0.4", images=None)) for form in ("", "raw-"))
    assert labels_by_image(usual) != labels_by_image(raw)
    np.testing.assert_array_equal(data.true_matrix("fashion-mnist-3", "instance-raw-0.4", 0), raw.transition_matrix)
    # The mean of 18,000 flip rates of deviation 0.1; six of its deviations: one in 10^8 fails.
    assert 1 - np.diag(raw.transition_matrix).mean() == pytest.approx(0.4, abs=6 * 0.1 / np.sqrt(18_000))


@pytest.mark.parametrize("noise", ["instance-", "instance-x", "instance-1.5", "instance-raw-", "instance-raw-2"])
def test_a_rate_of_noise_by_instance_must_be_one(tiny, noise):
    with pytest.raises(InputError, match=r"needs a rate in|must lie in"):
        tiny(noise=noise)


def test_human_noise_is_drawn_from_the_votes(small, tiny):
    votes = np.full((N_TRAIN, 3), 10)
    votes[:, 2] = 0  # nobody has said the last class
    with in_place_of("fashion-mnist-h-3", dataclasses.replace(small, train_votes=votes)):
        prepared = prepare(tiny(dataset="fashion-mnist-h-3", noise="human", images=None))
    np.testing.assert_allclose(prepared.transition_matrix, [[0.5, 0.5, 0]] * 3)
    counts = np.bincount(prepared.noisy.noisy_labels, minlength=3)
    assert counts[2] == 0
    assert abs(counts[0] - N_TRAIN / 2) < 5 * np.sqrt(N_TRAIN) / 2  # one in 1.7 million fails


def test_human_noise_needs_votes(tiny):
    with pytest.raises(InputError, match="fashion-mnist-3 has no human labels; use one of: fashion-mnist-h-3, fashion"):
        tiny(noise="human")


def test_clean_noise_flips_nothing(small, tiny):
    prepared = prepare(tiny(noise="clean"))
    assert torch.equal(prepared.noisy.noisy_labels, prepared.noisy.clean_labels)
    np.testing.assert_array_equal(prepared.transition_matrix, np.eye(3))


def test_initial_weights_are_shared_by_methods_and_noises(small, tiny):
    def weights(asked):
        return torch.cat([p.detach().flatten() for p in initial_model(asked).parameters()])

    first = weights(tiny())
    assert torch.equal(weights(tiny(method="forward", transition="true", noise="paper-0.6")), first)
    assert not torch.equal(weights(tiny(seed=1)), first)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"model": "alexnet", "settings": dataclasses.replace(PROTOCOL["alexnet"], epochs=1), "images": 60}
        | {"noise": "clean", "method": "forward", "transition": "true"},
    ],
    ids=["lenet", "alexnet"],
)
def test_a_trial_gives_the_same_record_again(ran, tiny, fields):
    asked = tiny(**fields)
    first = ran(asked)
    with torch.random.fork_rng():
        torch.manual_seed(99)
        assert same(run(asked), first)


def test_clean_test_labels_choose_no_epoch_and_no_setting(small, tiny):
    def but_for_what_is_measured_on_them(record):
        history = {name: each for name, each in record.history.items() if name != "clean_test_accuracy"}
        return dataclasses.replace(record, history=history)

    # Not by renaming classes, which a fitted T can say.
    shuffled = np.random.default_rng(0).permutation(small.test_labels)
    asked = tiny(images=300)
    record = run(asked)
    with in_place_of("fashion-mnist-3", dataclasses.replace(small, test_labels=shuffled)):
        again = run(asked)
    assert record.history["clean_test_accuracy"] != again.history["clean_test_accuracy"]
    assert record.refitted_loss is not None  # by which settings are chosen
    assert same(but_for_what_is_measured_on_them(record), but_for_what_is_measured_on_them(again))


def test_another_seed_gives_other_weights(ran, tiny):
    first, other = (ran(tiny(method="forward", transition="true", seed=seed)) for seed in (0, 1))
    assert first.weights_sha256 != other.weights_sha256


def test_a_run_leaves_threads_and_the_default_generator_as_they_were(small, tiny):
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        run(tiny(images=100))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("device", DEVICES)
def test_a_record_says_what_was_asked_and_what_came_of_it(small, tiny, device):
    asked = dataclasses.replace(tiny(), settings=dataclasses.replace(tiny().settings, epochs=3))
    record = run(asked, device=device)
    assert (record.trial, record.status, record.traceback) == (asked, "done", "")
    assert {len(values) for values in record.history.values()} == {3}
    assert record.best_epoch == np.argmin(record.history["noisy_validation_loss"])
    assert record.transition_matrices.keys() == {"oracle", *ESTIMATORS, *FEATURE_ESTIMATORS}
    assert record.deviations.keys() == ESTIMATORS.keys()
    for matrix in record.transition_matrices.values():
        np.testing.assert_allclose(np.sum(matrix, axis=1), 1, atol=1e-5)
    assert len(record.weights_sha256) == 64
    assert record.seconds > 0
    assert record.provenance["torch"] == torch.__version__
    assert record.provenance["precision"] == "float32"


@pytest.mark.parametrize("has", [True, False])
def test_a_record_says_what_its_precision_was_done_in(tiny, monkeypatch, has):
    monkeypatch.setattr(_precision, "has_bfloat16", lambda device="cpu": has)
    records = [
        run(tiny(images=300, settings=dataclasses.replace(tiny().settings, precision=precision)))
        for precision in ("bfloat16", "float32")
    ]
    assert [record.provenance["precision"] for record in records] == ["bfloat16" if has else "float32", "float32"]
    assert (len({record.weights_sha256 for record in records}) == 1) != has


def test_the_oracle_is_counted_on_training_and_validation_labels(ran, tiny):
    asked = tiny(images=None)
    noisy = prepare(asked).noisy
    counts = np.zeros((3, 3))
    np.add.at(counts, (noisy.clean_labels.numpy(), noisy.noisy_labels.numpy()), 1)
    found = ran(asked).transition_matrices["oracle"]
    np.testing.assert_allclose(found, counts / counts.sum(axis=1, keepdims=True), atol=1e-6)
    assert ran(tiny(noise="clean")).transition_matrices["oracle"] == np.eye(3).tolist()


def test_probability_quantiles_rise(ran, tiny):
    quantiles = np.array(ran(tiny()).prob_quantiles)
    assert quantiles.shape == (3, 3, len(QUANTILES))
    assert (np.diff(quantiles, axis=2) >= 0).all()
    assert (quantiles >= 0).all()
    assert (quantiles <= 1).all()


def test_a_record_survives_json(ran, tiny):
    for record in (ran(tiny()), ran(tiny(method="backward", transition="true"))):
        assert Record.from_json(json.loads(json.dumps(record.to_json()))) == record


@pytest.fixture
def given_to_forward(monkeypatch):
    """The matrices that forward correction was made with, as they come."""
    used = []
    forward = Forward.__init__

    def noted(self, transition_matrix):
        used.append(transition_matrix)
        forward(self, transition_matrix)

    monkeypatch.setattr(Forward, "__init__", noted)
    return used


def test_an_estimated_matrix_comes_from_the_record_of_the_cross_entropy_trial(small, tiny, made_up, given_to_forward):
    asked = tiny(method="forward", transition="anchor-97", images=200)
    estimate = [[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.3, 0.1, 0.6]]
    others = {name: np.eye(3).tolist() for name in (*ESTIMATORS, *FEATURE_ESTIMATORS)}
    base = made_up(asked.prerequisite(), transition_matrices={**others, "anchor-97": estimate})
    for wrong in (
        None,
        made_up(tiny(seed=9, images=200), transition_matrices=base.transition_matrices),
        dataclasses.replace(base, status="failed"),
    ):
        with pytest.raises(InputError, match=f"Trial {asked.key} needs the record of its cross-entropy trial"):
            run(asked, wrong)

    assert run(asked, base).status == "done"
    np.testing.assert_array_equal(given_to_forward, [estimate])


def test_a_record_that_lacks_the_matrix_is_refused(small, tiny, made_up):
    asked = tiny(method="forward", transition="dual-t")
    base = made_up(asked.prerequisite(), transition_matrices={"oracle": np.eye(3).tolist()})
    with pytest.raises(InputError, match=f"Trial {asked.key} needs T from dual-t, which the record of its cross-ent"):
        run(asked, base)


def test_a_finished_record_is_complete_whatever_estimators_there_are(made_up, tiny, monkeypatch):
    record = made_up()
    assert record.has([*ESTIMATORS, *FEATURE_ESTIMATORS])
    monkeypatch.setitem(ESTIMATORS, "new", ESTIMATORS["dual-t"])
    assert record.complete
    assert not record.has(["dual-t", "new"])
    assert record.has(["dual-t"])
    bare = dataclasses.replace(record, deviations={})
    assert bare.complete
    assert bare.has([])
    assert bare.has(["hoc"])  # it reads features, and states no deviation
    assert not bare.has(["dual-t"])
    assert not dataclasses.replace(record, status="failed").complete


def test_the_true_matrix_is_the_one_that_labels_were_corrupted_with(small, tiny, given_to_forward):
    run(tiny(method="forward", transition="true", images=200))
    np.testing.assert_array_equal(given_to_forward, [[[0.5, 0.2, 0.3], [0.3, 0.5, 0.2], [0.2, 0.3, 0.5]]])


def test_settings_differ_by_data_set_where_they_were_chosen_for_it():
    assert protocol("fashion-mnist", "lenet") == dataclasses.replace(PROTOCOL["lenet"], learning_rate=6e-3)
    few = dataclasses.replace(PROTOCOL["lenet"], epochs=16, batch_size=64)
    assert protocol("fashion-mnist-h", "lenet") == protocol("fashion-mnist-h-3", "lenet") == few
    assert protocol("fashion-mnist-3", "lenet") == PROTOCOL["lenet"]
    assert protocol("fashion-mnist", "alexnet") == PROTOCOL["alexnet"]
    for dataset in data.DATASETS:
        asked = trial(dataset=dataset, model="lenet", noise="clean", method="cross-entropy", seed=0)
        assert asked.settings == protocol(dataset, "lenet")


def chain(asked):
    """Method and source of T of a trial and of those that it is given something by, the trial first."""
    links = []
    while asked:
        links.append((asked.method, asked.transition))
        asked = asked.prerequisite()
    return links


def test_a_method_gives_its_matrix_and_is_given_one_where_it_starts_from_one(tiny):
    plain = ("cross-entropy", None)
    alternating = ("alternating", "confident-learning")
    assert chain(tiny(method="forward", transition="alternating")) == [("forward", "alternating"), alternating, plain]
    assert chain(tiny(method="alternating", transition="true")) == [("alternating", "true")]
    assert chain(tiny(method="alternating", transition="dual-t")) == [("alternating", "dual-t"), plain]
    for giver in ("volminnet", "total-variation"):
        assert chain(tiny(method="backward", transition=giver)) == [("backward", giver), (giver, None)]
    # A warm start needs the fit, also with a T that needs none.
    assert chain(tiny(method="t-revision", transition="true")) == [("t-revision", "true"), plain]
    assert chain(tiny(method="cross-fitting")) == [("cross-fitting", None)]


def test_trials_along_a_chain_agree_in_all_but_method_and_matrix(tiny):
    asked = tiny(method="reweighting", transition="alternating", model="alexnet", seed=4, images=300)
    while needed := asked.prerequisite():
        fields = {"method": needed.method, "transition": needed.transition}
        assert dataclasses.replace(asked, **fields) == needed
        asked = needed
    other = dataclasses.replace(tiny().settings, epochs=2)
    given = tiny(method="forward", transition="alternating", base=other).prerequisite()
    assert given == tiny(method="alternating", transition="confident-learning", settings=other)
    assert given.prerequisite() == tiny(settings=other)


@pytest.mark.parametrize("giver", GIVEN_BY_METHODS)
@pytest.mark.parametrize(
    "name", [name for name, recipe in METHODS.items() if recipe.learns_transition or recipe.warm_start]
)
def test_a_method_that_learns_its_matrix_or_starts_warm_is_given_none_by_a_method(tiny, name, giver):
    with pytest.raises(InputError, match=f"{name} can't take its transition matrix from '{giver}'"):
        tiny(method=name, transition=giver)


def test_a_method_that_gives_its_matrix_learns_one():
    for giver, source in GIVEN_BY_METHODS.items():
        assert METHODS[giver].learns_transition
        assert METHODS[giver].needs_transition == (source is not None)
        assert source is None or source in ESTIMATORS
    assert not GIVEN_BY_METHODS.keys() & {"true", *ESTIMATORS}


HELD_OUT = {f"{name}, {kind}" for name in ESTIMATORS for kind in ("held out", "calibrated")}
OF_ROUNDS = {f"round-{k}" for k in range(1, 1 + len(ROUNDS))}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"method": "volminnet"}, {"volminnet"}),
        ({"method": "total-variation"}, {"total-variation"}),
        ({"method": "t-revision", "transition": "confident-learning"}, {"t-revision"}),
        ({"method": "cross-fitting"}, HELD_OUT),
        ({"method": "alternating", "transition": "true"}, {"alternating", *OF_ROUNDS}),
    ],
    ids=lambda value: value.get("method") if isinstance(value, dict) else "",
)
def test_a_method_records_the_matrices_that_it_learns(ran, tiny, fields, named):
    settings = dataclasses.replace(tiny().settings, epochs=2)
    asked = tiny(images=150, settings=settings, **fields)
    record = ran(asked)
    assert (record.trial, record.status, record.complete) == (asked, "done", True)
    assert record.transition_matrices.keys() == {"oracle", *named}
    for matrix in record.transition_matrices.values():
        assert np.shape(matrix) == (3, 3)
        assert np.min(matrix) >= 0
        np.testing.assert_allclose(np.sum(matrix, axis=1), 1, atol=1e-6)
    assert record.transition_matrices["oracle"] == ran(dataclasses.replace(
        asked, method="forward", transition="true")).transition_matrices["oracle"]  # fmt: skip
    # An alternating method has fewer epochs in its last round.
    assert {len(values) for values in record.history.values()} == {1 if asked.method == "alternating" else 2}
    losses = record.history["noisy_validation_loss"]  # rounded, so that two may be equal
    assert losses[record.best_epoch] == min(losses)
    assert record.weights == b""
    assert record.deviations.keys() == ({"alternating"} if asked.method == "alternating" else set())
    for spread in record.deviations.values():
        assert np.shape(spread) == (3, 3)
        assert np.min(spread) > 0
    if asked.method == "alternating":
        matrices = record.transition_matrices
        assert len({str(matrices[name]) for name in (*OF_ROUNDS, "alternating")}) == 1 + len(ROUNDS)
    assert Record.from_json(json.loads(json.dumps(record.to_json()))) == record
    assert same(run(asked, ran(asked.prerequisite()) if asked.prerequisite() else None), record)


@pytest.mark.parametrize("giver", GIVEN_BY_METHODS)
def test_a_matrix_comes_from_the_record_of_the_method_that_learned_it(small, tiny, made_up, given_to_forward, giver):
    asked = tiny(method="forward", transition=giver, images=100)
    learned = [[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.3, 0.1, 0.6]]
    base = made_up(asked.prerequisite(), transition_matrices={"oracle": np.eye(3).tolist(), giver: learned})
    plain = made_up(tiny(images=100))
    for wrong in (None, plain, dataclasses.replace(base, status="failed")):
        with pytest.raises(InputError, match=f"Trial {asked.key} needs the record of its {giver} trial"):
            run(asked, wrong)
    assert run(asked, base).status == "done"
    np.testing.assert_array_equal(given_to_forward, [learned])


def test_the_networks_of_the_folds_start_apart_and_from_the_seed_alone(small, tiny):
    def weights(asked, fold):
        return torch.cat([p.detach().flatten() for p in initial_model(asked, number=fold).parameters()])

    of_folds = [weights(tiny(), fold) for fold in (None, 0, 1, 2)]
    assert not any(torch.equal(of_folds[i], of_folds[j]) for i in range(4) for j in range(i))
    assert torch.equal(weights(tiny(method="cross-fitting", noise="paper-0.6"), 1), of_folds[2])
    assert not torch.equal(weights(tiny(seed=1), 1), of_folds[2])


def test_a_trace_has_the_matrices_of_every_epoch_and_changes_nothing(ran, tiny):
    settings = dataclasses.replace(tiny().settings, epochs=3)
    plain, traced = (ran(tiny(images=150, settings=settings, trace=trace)) for trace in (None, True))
    assert plain.trace == {}
    assert traced.trace.keys() == ESTIMATORS.keys()
    for name, matrices in traced.trace.items():
        assert len(matrices) == 3
        assert matrices[traced.best_epoch] == traced.transition_matrices[name]
    assert same(plain, dataclasses.replace(traced, trial=plain.trial, trace={}))
    assert Record.from_json(json.loads(json.dumps(traced.to_json()))) == traced
    assert tiny(method="forward", transition="dual-t").prerequisite().trace is None


@pytest.mark.parametrize(
    "fields", [{"trace": False}, {"trace": 1}, {"trace": True, "method": "forward", "transition": "true"}]
)
def test_a_trace_that_can_not_be_made_is_refused(tiny, fields):
    with pytest.raises(InputError, match="trace must be True, for cross-entropy only, or left out"):
        tiny(**fields)
