"""Errors that are planted on purpose: each makes an existing test or check fail, which is named beside it.

Such a test is run twice: as things are, when it must pass, and with the error, when its own assertion must fail.
"""

import importlib
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from nbformat import v4

from labelnoise import transitions
from labelnoise.book import claims, tables
from labelnoise.data import _corruption
from labelnoise.errors import InputError
from labelnoise.estimators import _anchor, _inputs
from labelnoise.losses import _corrected
from labelnoise.noise import derive_seed
from labelnoise.statistics import Interval, paired_difference
from labelnoise.training import Split, _loop
from labelnoise.trials import _preparation, _running, prepare, run


@pytest.fixture
def tests_of(monkeypatch):
    """Finds the tests of a file by its place, such as trials/test_replay."""

    def found(place):
        path = Path(__file__).parent / place
        monkeypatch.syspath_prepend(path.parent)
        return importlib.import_module(path.name)

    return found


def is_noticed(test, *given, plant):
    """Check that a test passes, and that it fails once `plant` has put its error in place."""
    test(*given)
    with pytest.MonkeyPatch.context() as patch:
        plant(patch)
        with pytest.raises((AssertionError, pytest.fail.Exception)):
            test(*given)


def transposed(matrix, n_classes=None):
    return transitions.validate(matrix, n_classes).T


def test_a_transposed_matrix_is_noticed_where_labels_are_corrupted(tests_of):
    test = tests_of("test_noise").test_rows_are_clean_classes
    is_noticed(test, 0, (0.5, 0.2, 0.3), plant=lambda patch: patch.setattr("labelnoise.noise.validate", transposed))


def test_a_transposed_matrix_is_noticed_where_flips_are_held_against_it(tests_of):
    test = tests_of("test_statistics").test_p_values_are_uniform_under_the_right_matrix
    plant = "labelnoise.statistics.validate"
    is_noticed(test, "paper-0.5", plant=lambda patch: patch.setattr(plant, transposed))


def test_a_transposed_matrix_is_noticed_where_it_is_estimated(tests_of):
    test = tests_of("estimators/test_estimators").test_the_papers_matrix_is_found_with_its_rows_as_clean_classes
    is_noticed(test, plant=lambda patch: patch.setattr(_anchor, "as_rows", lambda rows: _inputs.as_rows(rows).T))


def test_a_transposed_matrix_is_noticed_where_a_loss_corrects_by_it(tests_of):
    losses = tests_of("losses/test_losses")
    is_noticed(
        losses.test_each_loss_equals_its_formula, losses.T,
        plant=lambda patch: patch.setattr(_corrected, "validate", transposed),
    )  # fmt: skip


def test_an_epoch_that_clean_test_labels_choose_is_noticed(tests_of):
    measured = _loop._measured

    def leaky(shown, loss, train_loss, validation, test, *others):
        return measured(
            shown, loss, train_loss, Split(test.images, test.clean_labels, test.clean_labels), test, *others
        )

    test = tests_of("training/test_training").test_clean_labels_choose_nothing
    is_noticed(test, plant=lambda patch: patch.setattr(_loop, "_measured", leaky))


def test_settings_that_clean_test_labels_choose_are_noticed(tests_of, tiny):
    module, refitted_loss = tests_of("trials/test_trials"), _running.refitted_loss

    def leaky(model, validation):
        return refitted_loss(model, prepare(tiny(images=300)).test)

    with module.small_set() as small:
        test = module.test_clean_test_labels_choose_no_epoch_and_no_setting
        is_noticed(test, small, tiny, plant=lambda patch: patch.setattr(_running, "refitted_loss", leaky))


def test_a_seed_that_is_off_by_one_is_noticed(tests_of, tiny):
    test = tests_of("trials/test_replay").test_the_same_specification_gives_the_same_bits

    def off_by_one(*parts):
        return derive_seed(*parts[:-1], parts[-1] + 1)

    with tests_of("trials/test_trials").small_set():
        recorded = [run(tiny(images=300, method="mixup", refit=True))]
        for module in (_corruption, _preparation, _running):  # of flips, of the split and the weights, of the order
            is_noticed(test, recorded, plant=lambda patch, at=module: patch.setattr(at, "derive_seed", off_by_one))


def unpaired(first, second, level=0.95):
    """Student's interval for the difference of two means of independent runs."""
    a, b = np.asarray(first), np.asarray(second)
    n, spread = len(a), (a.var(ddof=1) + b.var(ddof=1)) ** 0.5
    half = scipy.stats.t.ppf((1 + level) / 2, 2 * n - 2) * spread / n**0.5
    mean = a.mean() - b.mean()
    return Interval(mean, mean - half, mean + half, spread, n)


def out_of_step(first, second, level=0.95):
    return paired_difference(np.roll(first, 1), second, level)


@pytest.mark.parametrize("comparison", [unpaired, out_of_step])
def test_a_comparison_that_is_not_paired_by_seed_is_noticed(tests_of, comparison, tiny, made_up):
    test = tests_of("book/test_tables").test_gains_are_differences_between_trials_of_one_seed
    is_noticed(test, tiny, made_up, plant=lambda patch: patch.setattr(tables, "paired_difference", comparison))


def test_a_table_of_two_numbers_of_runs_that_states_one_is_noticed(tests_of):
    accuracies = tables.accuracies

    def first_of_all(table):
        found = accuracies(table)
        return found.assign(n=found["n"].iloc[0])

    test = tests_of("book/test_results").test_a_column_says_how_many_runs_there_are_where_methods_differ
    is_noticed(test, plant=lambda patch: patch.setattr(tables, "accuracies", first_of_all))


def test_a_table_that_counts_a_run_twice_is_refused(tiny, made_up):
    records = [made_up(tiny(seed=seed, method=name)) for seed in range(3) for name in ("cross-entropy", "mixup")]
    assert tables.gains(tables.as_table(records))["n"].tolist() == [3]
    with pytest.raises(InputError, match=r"The table has two trials of lenet, paper-0\.5, mixup with seed 2"):
        tables.gains(tables.as_table([*records, records[-1]]))


def drawn(records):
    """A page that claims that forward correction gains, as drawn from these records."""
    outputs = []

    def display(data, raw, metadata):
        outputs.append(v4.new_output("display_data", data, metadata=metadata))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(claims, "display", display)
        claims.claim("gains", "Forward correction gains.", tables.gains(tables.as_table(records))["low"] > 0)
    return v4.new_notebook(cells=[v4.new_code_cell("", outputs=outputs)])


def test_a_claim_that_its_records_deny_is_not_published(tiny, made_up):
    def records(plain, corrected):
        for arm, accuracy in (({}, plain), ({"method": "forward", "transition": "true"}, corrected)):
            for seed in range(3):
                asked = tiny(seed=seed, **arm)
                history = made_up(asked).history | {"clean_test_accuracy": [0.1, accuracy + seed / 1000]}
                yield made_up(asked, history=history)

    claims.refuse_denied(drawn(records(0.7, 0.8)), "03_correction")
    with pytest.raises(InputError, match=r"its records deny the claim 'gains', 'Forward correction gains\.'"):
        claims.refuse_denied(drawn(records(0.8, 0.7)), "03_correction")


def test_a_check_of_claims_that_lets_all_of_them_pass_is_noticed(tests_of):
    test = tests_of("book/test_claims").test_a_page_whose_records_deny_a_claim_is_not_published
    is_noticed(test, plant=lambda patch: patch.setattr(claims, "refuse_denied", lambda notebook, name: None))
