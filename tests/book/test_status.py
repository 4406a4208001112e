import hashlib
import re

import pytest

from labelnoise.book import costs, status
from labelnoise.data import sources
from labelnoise.errors import InputError

HERE = {"processor": "P", "instructions": "AVX", "torch": "2", "python": "3", "labelnoise": "0", "date": "2026-01-02"}


def test_records_are_counted_by_what_they_were_made_on(made_up):
    first = [
        made_up(seconds=1800.0, provenance=HERE),
        made_up(seconds=3600.0, provenance=HERE | {"date": "2026-01-01"}),
    ]
    other = made_up(provenance=HERE | {"torch": "3"})
    made = status.made_on({"a": [*first, other], "b": [other]})
    assert made["ledger"].tolist() == ["a", "a", "b"]
    assert made["records"].tolist() == [2, 1, 1]
    assert made.loc[0, ["core_hours", "first", "last"]].tolist() == [1.5, "2026-01-01", "2026-01-02"]


def test_replays_are_counted_by_the_processor_of_their_records():
    trials = [
        {"processor": processor, "same_bits": same, "agrees": agrees, "loss_difference": difference}
        for processor, same, agrees, difference in (
            ("P", False, True, 0.002), ("Q", True, True, 0.0), ("Q", False, True, 0.01), ("Q", False, False, 0.03)
        )
    ]  # fmt: skip
    assert status.replayed({"trials": trials}).to_dict("records") == [
        {"processor": "Q", "replayed": 3, "same bits": 1, "agree": 2, "largest difference": pytest.approx(30)},
        {"processor": "P", "replayed": 1, "same bits": 0, "agree": 1, "largest difference": pytest.approx(2)},
    ]


def test_hashes_are_of_the_content(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    table = status.hashes([tmp_path / "x"]).set_index("file")["sha256"]
    assert table["x"] == hashlib.sha256(b"abc").hexdigest()
    assert set(table.index) == {"x", *sources.SHA256, sources.VOTES}


def test_a_method_costs_what_it_is_given_too(tiny, made_up):
    plain = made_up(tiny(), seconds=10.0)
    alternating = made_up(tiny(method="alternating", transition="confident-learning"), seconds=30.0)
    forward = made_up(tiny(method="forward", transition="alternating"), seconds=12.0)
    of = {record.trial: record for record in (plain, alternating, forward)}
    table = costs.by_method([plain, forward], of.get).set_index("method")
    assert table["alone"].to_dict() == {"cross-entropy": 10, "forward": 12}
    assert table["in all"].to_dict() == {"cross-entropy": 10, "forward": 52}
    assert table["epochs"].tolist() == [1, 1]
    with pytest.raises(InputError, match="No trial of these noises and models is on record"):
        costs.by_method([], of.get)


def test_benchmarks_say_where_they_were_measured():
    made_up = {"date": "2026-01-03", "torch": "2.9.1", "processor": "A", "python": "3.11.7"}
    (row,) = status.measured_on({"throughput": {"provenance": made_up, "seconds": 4}}).to_dict("records")
    assert row == {"benchmark": "throughput", "date": "2026-01-03", "torch": "2.9.1", "processor": "A"}


@pytest.mark.parametrize("name", ["throughput", "replay"])
def test_the_benchmarks_on_record_can_be_told_of(name):
    (row,) = status.measured_on({name: costs.measured(name)}).to_dict("records")
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", row["date"])
    assert row["processor"]


def test_the_version_stands_with_the_dates_of_the_first_and_the_last_record(made_up):
    records = [made_up(provenance=HERE | {"date": date}) for date in ("2026-01-03", "2026-01-01", "2026-01-02")]
    assert status.version_line(records).endswith("with records of 2026-01-01 to 2026-01-03.")


def test_a_citation_file_is_told_as_bibtex():
    text = (
        "title: A\nversion: 1.2\ndate-released: 2026-05-01\nauthors: [{name: The B}, {family-names: C, given-names: D}]"
    )
    assert status.bibtex(text).splitlines() == [
        "@software{labelnoise2026,",
        "  author = {{The B} and C, D},",
        "  title = {{A}},",
        "  year = {2026},",
        "  version = {1.2},",
        "}",
    ]
    assert "url = {https://a.org}" in status.bibtex(text + "\nurl: https://a.org")
