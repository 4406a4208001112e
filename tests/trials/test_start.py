"""What stands between a command and the first step of its trials."""

import subprocess
import sys

# In Python, a module that is None can't be imported.
WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
from labelnoise.trials import warm_up
warm_up(), warm_up()
"""


def test_a_command_that_warms_workers_up_needs_no_torch_and_leaves_no_process():
    # The server holds the output open, so that the end of the output is its end too.
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == done.stderr == ""


def test_a_process_that_imports_what_workers_do_ends_as_it_likes():
    code = "import sys, labelnoise.trials._preloaded; sys.exit(3)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 3
