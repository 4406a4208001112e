"""Learning from noisy labels: noise, transition matrices, corrected losses, recorded trials.

`__init__.pyi` lists the public names. A name is imported when it is first asked for, as torch takes seconds to import
and not everything needs it.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
