"""What the process that workers are copies of imports, once."""

import atexit
import os
import sys

from labelnoise.trials import _running as _running

if any("multiprocessing.forkserver" in argument for argument in sys.orig_argv):
    # It has nothing to put in order, and torch takes its time for that while the terminal waits.
    atexit.register(os._exit, 0)
