"""Running one trial: a pure function from its specification to its record."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from labelnoise import data, noise, provenance, transitions
from labelnoise.errors import InputError
from labelnoise.estimators import ESTIMATORS
from labelnoise.methods import method
from labelnoise.models import build
from labelnoise.training import Fit, Split, as_columns, fit, predict_probs
from labelnoise.trials import Record, Trial

VALIDATION_SHARE = 0.2  # of the noisy images
PROB_QUANTILES = (0.03, 0.25, 0.5, 0.75, 0.97)


def derive_seed(*parts: object) -> int:
    """A seed that depends on these values and nothing else."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "big") >> 1


@functools.cache
def _dataset(name: str) -> data.Dataset:
    return data.load(name)


@dataclass(frozen=True)
class Prepared:
    """The splits of a trial, and the T that its labels were corrupted with, (n_classes, n_classes)."""

    train: Split
    validation: Split
    test: Split
    transition_matrix: transitions.Matrix

    @property
    def noisy(self) -> Split:
        """Training and validation images together: all that an estimator may read."""
        both = zip(dataclasses.astuple(self.train), dataclasses.astuple(self.validation), strict=True)
        return Split(*(torch.cat(pair) for pair in both))


def corrupted_labels(dataset: str, noise_name: str, seed: int) -> noise.Labels:
    """The noisy labels of all training images that trials with this data set, noise and seed have, shape (n,)."""
    clean = _dataset(dataset)
    generator = np.random.default_rng(derive_seed("flips", dataset, noise_name, seed))
    return noise.corrupt(clean.train_labels, transitions.named(noise_name, clean.n_classes), generator)


def prepare(trial: Trial, device: str = "cpu") -> Prepared:
    """Load, corrupt, split and normalise: images get the mean 0 and deviation 1 of the training ones."""
    dataset = _dataset(trial.dataset)
    order = np.random.default_rng(derive_seed("split", trial.dataset, trial.seed))
    chosen = order.permutation(len(dataset.train_labels))[: trial.images]
    noisy_labels = corrupted_labels(trial.dataset, trial.noise, trial.seed)

    held_out = round(VALIDATION_SHARE * len(chosen))
    train_rows, validation_rows = chosen[held_out:], chosen[:held_out]
    pixels = dataset.train_images[train_rows].float()
    mean, deviation = pixels.mean(), pixels.std()

    def split(images: Tensor, noisy: noise.Labels, clean: noise.Labels) -> Split:
        labels = (torch.from_numpy(noisy), torch.from_numpy(clean))
        return Split(*(t.to(device) for t in ((images.float() - mean) / deviation, *labels)))

    def rows(index: np.ndarray) -> Split:
        return split(dataset.train_images[index], noisy_labels[index], dataset.train_labels[index])

    test = split(dataset.test_images[:], dataset.test_labels, dataset.test_labels)
    matrix = transitions.named(trial.noise, dataset.n_classes)
    return Prepared(rows(train_rows), rows(validation_rows), test, matrix)


def initial_model(trial: Trial, device: str = "cpu") -> nn.Module:
    """The network of a trial before its first step."""
    channels, size = _dataset(trial.dataset).train_images.shape[1:3]
    seed = derive_seed("weights", trial.model, trial.n_classes, trial.seed)
    return build(trial.model, trial.n_classes, channels, size, seed=seed).to(device)


def train(trial: Trial, prepared: Prepared, given: Record | None = None) -> Fit:
    """Train as the trial says; `given` is the record of its prerequisite, with weights for a warm start."""
    needed, recipe = trial.prerequisite(), method(trial.method)
    device = prepared.train.images.device.type
    model = initial_model(trial, device)
    matrix = prepared.transition_matrix if trial.transition == "true" else None
    if needed:
        if given is None or given.trial != needed or not given.complete or (recipe.warm_start and not given.weights):
            what = "record and weights" if recipe.warm_start else "record"
            raise InputError(f"Trial {trial.key} needs the {what} of its cross-entropy trial; run that one first.")
        if trial.transition is not None and trial.transition != "true":
            matrix = np.array(given.transition_matrices[trial.transition])
        if recipe.warm_start:
            model.load_state_dict(load(given.weights))
    return fit(
        model,
        recipe.make_loss(matrix).to(device),
        prepared.train,
        prepared.validation,
        prepared.test,
        trial.settings,
        seed=derive_seed("order", trial.dataset, trial.seed),
    )


def run(trial: Trial, given: Record | None = None, device: str = "cpu") -> Record:
    """Run a trial from its specification to its record.

    Args:
        trial: what to run.
        given: the record of ``trial.prerequisite()``, where it has one, with weights for a warm start.
        device: "cpu", on one thread, or "cuda".

    Returns:
        The record, with weights for cross-entropy.

    Raises:
        InputError: the prerequisite's record is missing.
    """
    start = time.perf_counter()
    with _one_thread():
        prepared = prepare(trial, device)
        done = train(trial, prepared, given)
        read = _read_noise(trial, prepared.noisy, done.best_model)
    return Record(
        trial=trial,
        history={name: np.round(values, 6).tolist() for name, values in as_columns(done.history).items()},
        best_epoch=done.best_epoch,
        weights_sha256=_digest(done.model),
        seconds=round(time.perf_counter() - start, 2),
        provenance=provenance.here(device),
        weights=_packed(done.best_model) if trial.method == "cross-entropy" else b"",
        **read,
    )


def reread(record: Record, device: str = "cpu") -> Record:
    """A cross-entropy record with the T of every estimator, from its weights, without training."""
    with _one_thread():
        # Another memory layout would sum in another order.
        model = initial_model(record.trial, device).to(memory_format=torch.channels_last)
        model.load_state_dict(load(record.weights))
        read = _read_noise(record.trial, prepare(record.trial, device).noisy, model)
    return dataclasses.replace(record, **read)


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _read_noise(trial: Trial, noisy: Split, model: nn.Module) -> dict[str, Any]:
    """What a record says of the noise: the oracle's T and, for cross-entropy, what its probabilities tell."""
    clean_labels, noisy_labels = noisy.clean_labels.cpu().numpy(), noisy.noisy_labels.cpu().numpy()
    matrices = {"oracle": noise.oracle(clean_labels, noisy_labels, trial.n_classes)}
    quantiles: list[list[list[float]]] = []
    if trial.method == "cross-entropy":
        pred_probs = predict_probs(model, noisy.images)
        matrices |= {name: estimate(pred_probs, noisy_labels) for name, estimate in ESTIMATORS.items()}
        of_class = (pred_probs[clean_labels == i] for i in range(trial.n_classes))
        quantiles = [np.quantile(probs, PROB_QUANTILES, axis=0).T.round(4).tolist() for probs in of_class]
    rounded = {name: np.round(matrix, 10).tolist() for name, matrix in matrices.items()}
    return {"transition_matrices": rounded, "prob_quantiles": quantiles}


def _packed(model: nn.Module) -> bytes:
    return save({name: weights.cpu().contiguous() for name, weights in model.state_dict().items()})


def _digest(model: nn.Module) -> str:
    digest = hashlib.sha256()
    for parameter in model.state_dict().values():
        digest.update(parameter.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
