"""nbval over the committed notebooks, with the book's own eyes.

`pytest --nbval book` runs every chapter again and compares its outputs as
`book.tools.compare` says; pictures are compared by their digest.
"""

import contextlib
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from book.tools import kernel as ours  # noqa: E402
from book.tools.compare import Output  # noqa: E402

# what takes longest begins first, else one process ends long after the others
FIRST = ("tests/book/test_site.py", "book/", "tests/book/")


def pytest_collection_modifyitems(items):
    """The site's pages, the chapters, the book's tests; kernels' many last."""

    def rank(item):
        inside = item.path.is_relative_to(ROOT)
        file = item.path.relative_to(ROOT).as_posix() if inside else ""
        return next(
            (k for k, name in enumerate(FIRST) if file.startswith(name)),
            len(FIRST),
        )

    items.sort(key=rank)


def pytest_configure(config):
    """Teach nbval tolerance, and to pass over progress bars."""
    if hasattr(config, "workerinput"):  # xdist's: they share the cores
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    option = config.option
    option.loadscopereorder = False  # xdist's: files with many tests first
    if not (getattr(option, "nbval", 0) or getattr(option, "nbval_lax", 0)):
        return
    from jupyter_client import KernelManager
    from nbval import kernel, plugin

    option.nbval_current_env = True
    os.environ.setdefault("TQDM_DISABLE", "1")
    plain_init = plugin.IPyNbFile.__init__
    plain_setup = plugin.IPyNbFile.setup
    plain_teardown = plugin.IPyNbFile.teardown
    plain_sanitize = plugin.IPyNbCell.sanitize

    def init(self, *args, **kwargs):
        plain_init(self, *args, **kwargs)
        self.skip_compare += ("stderr", "image/png")

    def setup(self):
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(ours.scratch())
            kernel.KernelManager = ours.manager(KernelManager, folder)
            plain_setup(self)
            self.scratch = stack.pop_all()

    def teardown(self):
        plain_teardown(self)
        self.scratch.close()

    def sanitize(self, text):
        text = plain_sanitize(self, text)
        if not isinstance(text, str):
            return text
        seen = Output(text)
        tags = self.cell.metadata.get("tags", [])
        seen.tolerances = {
            name: float(value)
            for name, _, value in (tag.partition("=") for tag in tags)
            if name in ("rtol", "atol")
        }
        return seen

    def execute(self, source, allow_stdin=None):
        # with history, as Jupyter does: else a final ";" has no effect
        return self.kc.execute(
            source, allow_stdin=bool(allow_stdin), stop_on_error=False
        )

    kernel.RunningKernel.execute_cell_input = execute
    plugin.IPyNbFile.__init__ = init
    plugin.IPyNbFile.setup = setup
    plugin.IPyNbFile.teardown = teardown
    plugin.IPyNbCell.sanitize = sanitize
