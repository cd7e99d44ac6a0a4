"""The process in which a chapter runs: this interpreter, nobody's settings.

`render` and `pytest --nbval` start it as a file, ``python -P kernel.py WORD
-f FILE``; WORD (JSON) says whose run it is. The user's kernels, start-up
files, IPython and Matplotlib settings, locale and time zone have no say in
it, and it ends within two seconds of the process that asked for it.
"""

import contextlib
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 80  # bytes of a folder's path that leave room for a socket's name
# what a shell may hold and a rendering does not depend on
FOREIGN = (
    *("JUPYTER", "IPYTHON", "IPY_", "MPL", "MATPLOTLIB", "LC_", "PAPERMILL"),
    *("PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONOPTIMIZE", "PYTHONWARNINGS"),
    *("PYTHONIOENCODING", "PYTHONCOERCECLOCALE", "PYTHONBREAKPOINT"),
)
FIXED = {
    "LANG": "C",
    "LANGUAGE": "C",
    "TZ": "UTC",
    "PYTHONUTF8": "1",
    "PYTHONHASHSEED": "0",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}
# a machine's owner may say how many threads, and how to wait for them
USUAL = {
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "MKL_CBWR": "AUTO,STRICT",
}


def environment(scratch, shell=None):
    """The environment of a kernel whose temporary files lie in `scratch`."""
    known = dict(os.environ if shell is None else shell)
    known = {
        k: v for k, v in known.items() if not k.upper().startswith(FOREIGN)
    }
    own = {
        "IPYTHONDIR": str(Path(scratch, "ipython")),
        "MPLCONFIGDIR": str(Path(ROOT, ".cache", "matplotlib")),
        **dict.fromkeys(("TMPDIR", "TMP", "TEMP"), str(scratch)),
    }
    return {**USUAL, **known, **FIXED, **own}


@contextlib.contextmanager
def scratch():
    """A temporary folder that ends with the block, however a kernel left it.

    When this process is killed, the kernel that lives in the folder takes
    it along.
    """
    folder = tempfile.mkdtemp(prefix="landscape-")
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def manager(base, folder, *, root=ROOT, **word):
    """A kernel manager, a subclass of jupyter_client's `base`.

    Its kernel keeps its temporary files in `folder`; `word` is what
    `told` gives in it.
    """
    from jupyter_client.kernelspec import KernelSpec

    said = json.dumps({**word, "root": str(root), "scratch": str(folder)})
    spec = KernelSpec(
        argv=[sys.executable, "-P", __file__, said, "-f", "{connection_file}"],
        display_name="Python 3 (ipykernel)",
        language="python",
    )

    class Manager(base):
        kernel_spec = spec
        ipykernel = True

        async def _async_pre_start_kernel(self, **words):
            self.connection_file = str(Path(folder, "kernel.json"))
            if os.name == "posix" and len(str(folder)) < LONGEST:
                self.transport = "ipc"  # two kernels never ask for one port
            words["env"] = environment(folder)
            return await super()._async_pre_start_kernel(**words)

    return Manager


def told():
    """What the kernel's starter said of this run; None in no such kernel."""
    flag, file, said = (*sys.orig_argv[1:4], "", "", "")[:3]
    ours = flag == "-P" and Path(file).parts[-3:] == Path(__file__).parts[-3:]
    return json.loads(said) if ours else None


def watch(parent, scratch, pause=1.0):
    """End this process soon after its parent has ended, however it did."""
    while os.getppid() == parent:
        time.sleep(pause)
    shutil.rmtree(scratch, ignore_errors=True)
    os._exit(1)


def worth_saying(record):
    """Not that an idle kernel was interrupted: stopping one begins so."""
    return "KeyboardInterrupt caught" not in record.getMessage()


def main(said, rest):
    """Be a kernel until told to stop, or until the parent ends."""
    word = json.loads(said)
    sys.path.insert(0, word["root"])
    if os.name == "posix":  # elsewhere ipykernel itself watches the parent
        parent = int(os.environ.get("JPY_PARENT_PID", 0)) or os.getppid()
        threading.Thread(
            target=watch, args=(parent, word["scratch"]), daemon=True
        ).start()
    from ipykernel.kernelapp import IPKernelApp

    class App(IPKernelApp):
        exec_PYTHONSTARTUP = False

        def load_config_file(self, *_, **__):
            """Nobody's configuration."""

        def init_kernel(self):
            super().init_kernel()
            self.log.addFilter(worth_saying)

        def init_poller(self):
            """`watch` looks after the parent; elsewhere ipykernel does."""
            if os.name != "posix":
                super().init_poller()

    App.launch_instance(argv=rest)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
