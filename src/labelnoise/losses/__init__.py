"""Losses for noisy labels, each an ``nn.Module`` for any training loop.

`__init__.pyi` lists the names, each of which is imported when it is first asked for.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
