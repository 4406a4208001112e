"""T estimated from noisy labels and what a network says of their images; no PyTorch is needed.

`__init__.pyi` lists the names, each of which is imported when it is first asked for. Estimators that are known by name
stand in `_registry`, and the check of inputs in `_inputs`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
