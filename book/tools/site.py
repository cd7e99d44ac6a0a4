"""The book as a site: its chapters, its build, a local server."""

import functools
import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOM = 200_000_000  # bytes: the site, jupyter-book's own files, notebooks


def chapters(root=ROOT):
    """Names of the chapters ("part/name"), in the order of `_toc.yml`.

    The reference pages, which no notebook makes, stand there as a glob.
    """
    toc = parsed(Path(root, "_toc.yml").read_text(encoding="utf-8"))
    files = [toc["root"]]
    for part in toc.get("parts", [toc]):
        files += [c["file"] for c in part.get("chapters", []) if "file" in c]
    return [f.removeprefix("book/") for f in files]


@functools.lru_cache(maxsize=64)
def parsed(text):
    """YAML as Python values, which the caller leaves as they are.

    Raises ValueError where a mapping has a key twice, of which YAML would
    keep the last.
    """
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        def construct_mapping(self, node, deep=False):
            keys = [key.value for key, _ in node.value]
            for key in keys:
                if keys.count(key) > 1:
                    line = node.start_mark.line + 1
                    raise ValueError(
                        f"{key!r} is given more than once in what starts in "
                        f"line {line}"
                    )
            return super().construct_mapping(node, deep)

    return yaml.load(text, Loader)


def source(name, root=ROOT):
    """The chapter's py:percent source."""
    return Path(root, "book", f"{name}.py")


def notebook(name, root=ROOT):
    """The chapter's executed notebook."""
    return Path(root, "book", f"{name}.ipynb")


def ready(root=ROOT):
    """Raise what a reader must put right before the book can be built."""
    import shutil
    from importlib.metadata import version

    found = version("jupyter-book")
    if not found.startswith("1."):
        raise RuntimeError(
            f"jupyter-book is {found}; this book needs 1.x: install it with "
            f"{sys.executable} -m pip install -r requirements.txt"
        )
    free = shutil.disk_usage(root).free
    if free < ROOM:
        raise OSError(
            f"{free / 1e6:.0f} MB are free on the disk of {root}; building "
            f"takes {ROOM / 1e6:.0f} MB: make room, or clone elsewhere"
        )


def build(root=ROOT):
    """Run jupyter-book over the rendered chapters; warnings are errors.

    Where nothing that it reads has changed since a build that succeeded, and
    all its pages are there, that build is the answer.
    """
    ready(root)
    html, made = Path(root, "_build", "html"), inputs(root)
    stamp = html / ".built"
    pages = [html / "book" / f"{name}.html" for name in chapters(root)]
    pages.append(html / "index.html")
    known = stamp.read_text(encoding="utf-8") if stamp.exists() else ""
    if known == made and all(page.exists() for page in pages):
        return html / "index.html"
    stamp.unlink(missing_ok=True)
    command = Path(sys.executable).parent / "jupyter-book"
    flags = ["--all", "-W", "-n", "--keep-going"]
    whole = {**os.environ, "PYTHONUTF8": "1"}  # it opens files in UTF-8
    done = subprocess.run([command, "build", root, *flags], env=whole)
    if done.returncode:
        raise RuntimeError(
            "jupyter-book found faults: each is a WARNING or ERROR line above"
        )
    stamp.write_text(made, encoding="utf-8")
    return html / "index.html"


def inputs(root=ROOT):
    """A digest of all that the pages are made from, Python included."""
    whole = hashlib.sha256(sys.version.encode())
    files = [Path(root, n) for n in ("_config.yml", "_toc.yml")]
    files.append(Path(root, "requirements.txt"))
    for folder in ("book", "kernels"):
        files += sorted(Path(root, folder).rglob("*"))
    for file in files:
        if file.is_file() and "__pycache__" not in file.parts:
            whole.update(file.relative_to(root).as_posix().encode())
            whole.update(hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()


def serve(port, root=ROOT):
    """Serve the built book on the loopback address until interrupted."""
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    folder = Path(root, "_build", "html")
    if not Path(folder, "index.html").exists():
        raise FileNotFoundError(
            f"{folder} holds no book yet; run: python -m book build"
        )
    handler = partial(SimpleHTTPRequestHandler, directory=folder)
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    except OSError as fault:
        raise OSError(
            f"port {port} cannot be used ({fault.strerror}); choose another "
            "one: python -m book serve --port 8001"
        ) from None
    print(f"The book is at http://127.0.0.1:{server.server_port}/ (Ctrl-C)")
    with server:
        server.serve_forever()
