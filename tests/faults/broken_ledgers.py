"""Ledgers that are damaged: what stands in the file, which trials it still serves, and what is said of it."""

import hashlib
import json

from labelnoise.trials import encode

DAMAGED = "is damaged: it is skipped"
NEWER = "was made by another version of labelnoise: it is skipped"


def signed(values):
    """A line with a hash that fits, whatever it says."""
    key, body = values["key"], json.dumps({name: value for name, value in values.items() if name != "key"})[1:]
    digest = hashlib.sha256((key + body).encode()).hexdigest()
    return f'{{"key": "{key}", "sha256": "{digest}", {body}\n'.encode()


def signed_text(record, body):
    """A line with a hash that fits text that need not be JSON."""
    key = record.to_json()["key"]
    return f'{{"key": "{key}", "sha256": "{hashlib.sha256((key + body).encode()).hexdigest()}", {body}\n'.encode()


def with_trial(record, **fields):
    values = record.to_json()
    return signed({**values, "trial": {**values["trial"], **fields}})


def of_another_protocol(record):
    return signed({**record.to_json(), "key": "0123456789abcdef"})


def flipped(line, place):
    return line[:place] + bytes([line[place] ^ 4]) + line[place + 1 :]


def broken(records):
    """Name to the content, the seeds of the trials that it serves, and what is said, if anything is.

    Args:
        records: those of seeds 0, 1 and 2.
    """
    a, b, c = map(encode, records)
    second = records[1]
    return {
        "as it should be": (a + b + c, {0, 1, 2}, None),
        "an empty file": (b"", set(), None),
        "empty lines": (b"\n\n" + a + b"\n" + b + c, {0, 1, 2}, None),
        "line ends of Windows": ((a + b + c).replace(b"\n", b"\r\n"), {0, 1, 2}, None),
        "doubled lines": (a + a + b + c + a + c, {0, 1, 2}, None),
        "another order": (c + a + b, {0, 1, 2}, None),
        "a last line without its end": (a + b + c[:-1], {0, 1}, None),
        "a last line cut off": (a + b + c[: len(c) // 2], {0, 1}, None),
        "a last line cut off in its head": (a + b + c[:9], {0, 1}, None),
        "a first line cut off": (a[: len(a) // 2] + b"\n" + b + c, {1, 2}, DAMAGED),
        "a first line cut off at its front": (a[9:] + b + c, {1, 2}, DAMAGED),
        "a byte of a key": (a + flipped(b, 10) + c, {0, 2}, DAMAGED),
        "a byte of a hash": (a + flipped(b, 50) + c, {0, 2}, DAMAGED),
        "a byte of a trial": (a + flipped(b, 150) + c, {0, 2}, DAMAGED),
        "a byte of a measurement": (a + flipped(b, len(b) // 2) + c, {0, 2}, DAMAGED),
        "a byte in the last line": (a + b + flipped(c, len(c) - 20), {0, 1}, DAMAGED),
        "two lines run together": (a + b[:-1] + c, {0}, DAMAGED),
        "zeros, as after a power cut": (a + b"\0" * len(b) + b"\n" + c, {0, 2}, DAMAGED),
        "a mark at the front, as editors leave it": (b"\xef\xbb\xbf" + a + b + c, {1, 2}, DAMAGED),
        "another encoding": ((a + b + c).decode().encode("utf-16"), set(), DAMAGED),
        "a table": (b"key,sha256\n1,2\n", set(), DAMAGED),
        "one JSON document": (json.dumps([1, {"key": 2}], indent=1).encode() + b"\n", set(), DAMAGED),
        "marks of a merge": (b"<<<<<<< ours\n" + a + b"=======\n" + b + b">>>>>>> theirs\n" + c, {0, 1, 2}, DAMAGED),
        "a line of another protocol": (a + of_another_protocol(second) + c, {0, 2}, None),
        "a field of a later version": (a + signed({**second.to_json(), "later": 1}) + c, {0, 2}, NEWER),
        "a field of a trial of a later version": (a + with_trial(second, later=1) + c, {0, 2}, NEWER),
        "a signed line that is no JSON": (a + signed_text(second, '"trial": {') + c, {0, 2}, NEWER),
        "brackets without end": (a + signed_text(second, '"trial": ' + "[" * 10**5) + c, {0, 2}, NEWER),
        "a trial that is a list": (a + signed_text(second, '"trial": []}') + c, {0, 2}, NEWER),
        "a trial that is text": (a + signed_text(second, '"trial": "x"}') + c, {0, 2}, NEWER),
        "settings that are a list": (a + with_trial(second, settings=[1]) + c, {0, 2}, NEWER),
        "a method of a later version": (a + with_trial(second, method="later") + c, {0, 2}, NEWER),
        "a data set that is gone": (a + with_trial(second, dataset="earlier") + c, {0, 2}, NEWER),
        "a record without its trial": (
            a + signed({name: value for name, value in second.to_json().items() if name != "trial"}) + c,
            {0, 2},
            NEWER,
        ),
    }  # fmt: skip
