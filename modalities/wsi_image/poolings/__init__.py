"""Poolings, one a file: the tiles of a case -> one embedding and one prediction.

`modalities/wsi_image/network.py` says what one is.
"""

import pkgutil

POOLINGS = tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))
