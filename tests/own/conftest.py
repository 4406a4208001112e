"""What the tests of the two commands share."""

import re
import shlex
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture(scope="session")
def readme_command():
    """The arguments of the only example of a command in the README."""

    def arguments(name):
        (line,) = re.findall(rf"^labelnoise {name} .*$", README.read_text(), re.MULTILINE)
        return shlex.split(line, comments=True)[1:]

    return arguments
