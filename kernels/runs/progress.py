"""Progress bars: tqdm's where it is installed, silence where it is not."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any


class Silent:
    """Stands in for tqdm's bar and shows nothing.

    Has the methods that this package uses: iteration, `update`, `reset`,
    `set_postfix_str`, `close` and the context manager.
    """

    def __init__(self, iterable: Iterable[Any] | None = None) -> None:
        self._iterable = () if iterable is None else iterable

    def __iter__(self) -> Iterator[Any]:
        return iter(self._iterable)

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def update(self, n: float = 1) -> None:
        """Count nothing."""

    def reset(self, total: float | None = None) -> None:
        """Start nothing anew."""

    def set_postfix_str(self, text: str = "", refresh: bool = True) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Release nothing."""


def progress(
    iterable: Iterable[Any] | None = None,
    *,
    desc: str,
    unit: str = "it",
    total: int | None = None,
) -> Any:
    """A progress bar on standard error that vanishes when it is done.

    Parameters
    ----------
    iterable : to loop over, or None and then ``.update(n)``
    desc : the text before the bar
    unit : what is counted
    total : how many there will be, where ``len(iterable)`` does not say it

    Returns
    -------
    Any
        Tqdm's bar, or a ``Silent`` one where tqdm is not installed or the
        environment variable TQDM_DISABLE is set to anything but an empty
        string or 0. Both iterate over ``iterable``, are context managers
        and have ``update(n)``, ``set_postfix_str(text)`` and ``close()``.
    """
    if os.environ.get("TQDM_DISABLE", "") not in ("", "0"):
        return Silent(iterable)
    try:
        from tqdm import tqdm
    except ImportError:
        return Silent(iterable)
    return tqdm(
        iterable,
        desc=desc,
        unit=unit,
        total=total,
        file=sys.stderr,
        leave=False,
        disable=False,
        dynamic_ncols=True,
    )
