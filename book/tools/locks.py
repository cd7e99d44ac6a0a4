"""One process at a time for one thing; the system frees it when it ends."""

import contextlib
import os


@contextlib.contextmanager
def alone(file):
    """Hold the lock `file` for the block; BlockingIOError when it is held.

    The error's text is who holds it.  The lock is the operating system's, so
    that no killed process leaves one behind.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "a+", encoding="utf-8") as handle:
        try:
            _lock(handle)
        except OSError:
            handle.seek(0)
            who = handle.read().strip()
            raise BlockingIOError(f"process {who or 'unknown'}") from None
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield


def _lock(handle):
    try:
        import fcntl
    except ImportError:  # Windows: a byte far behind the text
        import msvcrt

        handle.seek(1 << 20)
        msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
        handle.seek(0)
    else:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
