"""Files of weights that carry their own sha256, so that a changed byte is noticed: safetensors has no checksum."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from labelnoise.errors import InputError

KEY = "labelnoise"  # of the metadata in a file
DIGEST, UNKNOWN = "sha256", "0" * 64  # the digest is of the file with zeros in its place


def sealed(save: Callable[[dict[str, str]], bytes], about: Mapping[str, Any]) -> bytes:
    """A file of weights with what is said of them and its digest.

    Args:
        save: makes the file with the metadata that it is given.
        about: what is said, as JSON has it.
    """
    content = save({KEY: json.dumps({DIGEST: UNKNOWN, **about})})
    return content.replace(UNKNOWN.encode(), hashlib.sha256(content).hexdigest().encode(), 1)


def described(path: Path) -> Any:
    """What a file says of its weights, once it is known to be as it was written; an older one has no digest.

    Raises:
        InputError: no safetensors file, or one that was changed.
    """
    try:
        with safe_open(path, "np") as file:
            said = json.loads((file.metadata() or {}).get(KEY, "null"))
    except (SafetensorError, ValueError):
        raise InputError(f"{path} is no safetensors file that can be read.") from None
    digest = said.pop(DIGEST, None) if isinstance(said, dict) else None
    if digest is not None and _digest(path, str(digest)) != digest:
        raise InputError(f"{path} was changed after it was written, as its sha256 shows; take another copy of it.")
    return said


def _digest(path: Path, stated: str) -> str:
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")  # of the header that follows
        file.seek(0)
        head = file.read(8 + size).replace(stated.encode(), UNKNOWN.encode(), 1)
        return hashlib.file_digest(file, lambda: hashlib.sha256(head)).hexdigest()
