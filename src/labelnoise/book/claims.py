"""Values and claims: what ties the sentences of a page to the records that it reads.

A sentence is typed, its numbers and verdicts are not. A number is a value, ``{glue:text}`NAME` `` in the text. Behind a
verdict stands ``{glue:text}`NAME-claim` ``, which shows nothing as long as the records bear the verdict out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import nbformat
import numpy as np
from IPython.display import display
from numpy.typing import ArrayLike

from labelnoise.book import project, titles
from labelnoise.errors import InputError

DENIED = " (With your values this does not hold, or there is nothing to tell it by.)"
NOT_THERE = "–"  # of a value that a reader's own run has no records for
CLAIMS_PAGE = """# What is claimed, and where it is shown

Every verdict of the chapters rests on a condition that is computed from the records. A page is not published when one
of its conditions fails, and a run with values of your own says behind the sentence where one does not hold there. To
check the claims of a chapter, draw it again from the records:

```bash
labelnoise chapter NAME
```
"""


@dataclass(frozen=True)
class Claim:
    """A verdict of a page.

    Attributes:
        name: unique on its page; ``{glue:text}`NAME-claim` `` stands behind the verdict.
        sentence: the verdict in words.
        holds: whether the records bear it out.
        figure: the label of the figure that shows it, if one does.
    """

    name: str
    sentence: str
    holds: bool
    figure: str = ""


def _glued(name: str, text: str, **more: Any) -> None:
    """Hand a text to ``{glue:text}`NAME` ``, in the form that myst-nb looks for."""
    about = {"scrapbook": {"name": name, "mime_prefix": "application/papermill.record/"}, **more}
    display({"application/papermill.record/text/plain": repr(text)}, raw=True, metadata=about)


def values(digits: int = 1, /, **numbers: float | str) -> None:
    """Hand numbers to the sentences of the page, by name.

    Args:
        digits: behind the decimal point.
        numbers: each a number, NaN where there are no records to take it from, or a text.
    """
    for name, number in numbers.items():
        text = number if isinstance(number, str) else NOT_THERE if np.isnan(number) else f"{number:,.{digits}f}"
        _glued(name, text)


def differences(digits: int = 1, /, **numbers: float) -> None:
    """Glue numbers as `values` does, each with its sign."""
    values(
        digits,
        **{name: NOT_THERE if np.isnan(number) else titles.signed(number, digits) for name, number in numbers.items()},
    )


def claim(name: str, sentence: str, holds: ArrayLike, figure: str = "") -> None:
    """State a verdict of the page as a condition on the records.

    Args:
        name, sentence, figure: as `Claim` has them.
        holds: one condition or several, all of which must be met; none at all bears nothing out.
    """
    met = np.asarray(holds)
    made = Claim(name, sentence, bool(met.size and met.all()), figure)
    _glued(f"{name}-claim", "" if made.holds else DENIED, claim=asdict(made))


def made_in(notebook: nbformat.NotebookNode) -> Iterator[Claim]:
    """The claims of an executed notebook, in its order."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if found := output.get("metadata", {}).get("claim"):
                yield Claim(**found)


def refuse_denied(notebook: nbformat.NotebookNode, name: str) -> None:
    """Refuse to publish a chapter with a claim that its records deny.

    Raises:
        InputError: there is one.
    """
    denied = [made for made in made_in(notebook) if not made.holds]
    if denied:
        first = denied[0]
        more = f" {len(denied) - 1} more fail." if len(denied) > 1 else ""
        raise InputError(
            f"Chapter {name} can't be published: its records deny the claim {first.name!r}, {first.sentence!r}; "
            f"rewrite the sentence, or find out what changed.{more}"
        )


def page() -> str:
    """The page that lists the claims of all published chapters, as Markdown."""
    blocks = [CLAIMS_PAGE]
    for name in project.as_listed():
        path = project.published_path(name)
        claims = list(made_in(nbformat.read(path, as_version=4))) if path.exists() else []
        if claims:
            document = path.relative_to(project.root() / "book").with_suffix("").as_posix()
            rows = [f"- {made.sentence}{_shown(made.figure)}" for made in claims]
            blocks.append(f"**{{doc}}`{document}`** (`{name}`)\n\n" + "\n".join(rows) + "\n")
    return "\n".join(blocks)


def _shown(figure: str) -> str:
    return f" ({{numref}}`{figure}`)" if figure else ""
