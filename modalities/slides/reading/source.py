"""What a slide modality reads: each case's slides as tile features, from slides or from feature files.

Loads without the `slides` extra, which is asked for once a site uses a slide modality.
"""

import functools
from collections import Counter
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

from modalities.core.contract import Source
from modalities.core.problems import unusable
from modalities.slides.bags import SlideTiles
from modalities.slides.config import SlidesConfig

_EXTRA = ("cv2", "h5py", "imagecodecs", "openslide", "pydicom", "tifffile", "wsidicom")
_P = ParamSpec("_P")
_T = TypeVar("_T")


def needs_extra(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """The function, which imports packages of the `slides` extra and says so plainly where they are not there."""

    @functools.wraps(function)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return function(*args, **kwargs)
        except ImportError as error:
            if error.name not in _EXTRA:
                raise
            raise unusable(
                f"slides need the packages of the `slides` extra, and {error.name} is not installed: run "
                "`pip install 'tessera[slides]'` in this environment"
            ) from None

    return wrapped


@needs_extra
def read_case_by_case(
    source: Source, config: SlidesConfig, notes: Counter[str], only: str | None = None
) -> Iterator[tuple[str, tuple[SlideTiles, ...]]]:
    """Each case and its slides as tile features, a case at a time as it is asked for; or one case alone.

    Slides come from the cache that `tessera-client prepare` fills; one that is not there yet is prepared now. At most
    `n_tiles` tiles a case, the most tissue-rich over all of its slides. Feature files of other tools, and tables of
    nuclear composition, come as they are, all of their tiles. What was left out is counted by reason in the notes,
    which are whole at the end.

    Raises:
        ValueError: there is nothing to read, the manifest is wrong, no slide at all could be read (with the reasons;
            not of one case alone), or the `slides` extra is not installed.
    """
    from modalities.slides.cases import slides_by_case

    return slides_by_case(source, config, notes, only)
