"""``python -m book``: build, render, check, data, serve, gpu-check."""

import argparse
import errno
import gc
import signal
import sys

from book.tools import parameters, render, site


def parser():
    """The command line of the book."""
    top = argparse.ArgumentParser(
        prog="python -m book",
        description="The Connected Landscape: build, run and read the book.",
    )
    verbs = top.add_subparsers(dest="verb", required=True, metavar="COMMAND")

    def verb(name, text):
        return verbs.add_parser(name, help=text, description=text)

    p = verb("build", "Run the chapters that are stale, then build the HTML.")
    _jobs(p)
    p = verb("render", "Run chapters: source -> executed notebook.")
    p.add_argument(
        "chapters",
        nargs="*",
        metavar="CHAPTER",
        help="part/name as in _toc.yml; all of them if none given",
    )
    p.add_argument(
        "--profile",
        default="laptop",
        help="laptop (default), or paper: the papers' own scale",
    )
    p.add_argument(
        "--force", action="store_true", help="run fresh chapters too"
    )
    p.add_argument(
        "-p",
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change a parameter; the result goes to _build/runs "
        "(render --help CHAPTER lists a chapter's own)",
    )
    _jobs(p)
    verb("check", "Say whether notebooks and sources are in step and fresh.")
    p = verb("data", "Say where the datasets are; fetch what is missing.")
    p.add_argument(
        "names",
        nargs="*",
        metavar="DATASET",
        help="datasets to fetch when absent; none: only look",
    )
    p.add_argument(
        "--root",
        help="data root (else CONNECTED_LANDSCAPE_DATA, "
        "else the user's cache)",
    )
    p = verb("serve", "Serve the built book on this machine.")
    p.add_argument(
        "--port",
        type=_port,
        default=8000,
        help="1024 to 65535 (default 8000); 0: any free one",
    )
    p = verb("gpu-check", "Test and time the CUDA kernels on this machine.")
    p.add_argument(
        "--out",
        metavar="FILE",
        help="where the measurements go (default book/results/gpu.json)",
    )
    return top


def _port(word):
    if not word.isdecimal() or int(word) > 65535:
        raise argparse.ArgumentTypeError(f"{word}: 0 to 65535 will do")
    return int(word)


def _jobs(p):
    p.add_argument(
        "--jobs",
        type=int,
        default=1,
        metavar="N",
        help="chapters to run at the same time (default 1)",
    )


def chosen(names):
    """The chapters asked for; unknown names are an error."""
    known = site.chapters()
    unknown = [n for n in names if n not in known]
    if unknown:
        raise ValueError(
            f"no chapter {', '.join(unknown)}; the chapters are: "
            + ", ".join(known)
        )
    return names or known


def assignments(words, names):
    """{"name": value} of NAME=VALUE words; unknown names are an error."""
    given = {}
    for chapter in names if words else ():
        given |= parameters.parse(words, parameters.read(chapter), chapter)
    return given


def explain(argv):
    """Print the parameters of the chapters in `argv`; False if none is."""
    words = [w for w in argv if not w.startswith("-")]
    known = site.chapters()
    if words[:1] == ["render"]:
        words = chosen(words[1:]) if words[1:] else []
    names = [w for w in words if w in known]
    for name in names:
        print(parameters.listing(name))
    return bool(names)


def build(args):
    """Render what is stale, then build the site."""
    site.ready()
    ran = render.render(site.chapters(), jobs=args.jobs)
    print(f"{ran} chapters run")
    print(f"The book is built. Open {site.build().as_uri()}")


def run(args):
    """Render the chapters asked for."""
    if args.profile not in ("laptop", "paper"):
        raise ValueError(
            f"no profile {args.profile!r}; the profiles are: laptop, paper"
        )
    names = chosen(args.chapters)
    given = assignments(args.parameter, names)
    for name in names if given else ():
        known = parameters.read(name)
        for word, value in given.items():
            print(f"{name}: {word} = {value!r}, not {known[word].default!r}")
    ran = render.render(
        names,
        profile=args.profile,
        force=args.force,
        jobs=args.jobs,
        given=given,
    )
    print(f"{ran} of {len(names)} chapters run")


def check(args):
    """Exit 1 with a list when a chapter is stale or out of step."""
    gc.disable()  # a third of its time, over syntax trees that all stay
    try:
        found = render.check(site.chapters())
    finally:
        gc.enable()
    for sentence in found:
        print(sentence)
    if found:
        raise SystemExit(1)
    print(f"{len(site.chapters())} chapters in step and fresh")


def data(args):
    """Where the datasets are; fetch those named."""
    from kernels import data

    for name in args.names:
        print(f"{name}: {data.fetch(name, args.root)}")
    for name, known in data.status(args.root).items():
        if known["present"]:
            place = known["path"] or "no files needed"
            print(
                f"{name}: {known['source']}; {place}; fingerprint "
                f"{known['fingerprint']}"
            )
        else:
            print(f"{name}: absent. {known['problem']}")


def gpu_check(args):
    """Test and time the CUDA kernels; an error where there is no GPU."""
    from book.tools import gpu

    gpu.check(args.out)


def speak():
    """A terminal that lacks a letter gets an escape for it, not an error."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def terminated(number, _):
    """Leave as Ctrl-C does, so that folders and kernels go too."""
    raise SystemExit(128 + number)


def main(argv=None):
    """Run one command; errors are one clear message and exit code 1."""
    speak()
    argv = sys.argv[1:] if argv is None else argv
    try:
        if {"-h", "--help"} & set(argv) and explain(argv):
            return
    except ValueError as fault:
        raise SystemExit(f"error: {fault}") from None
    args = parser().parse_args(argv)
    verbs = {
        "build": build,
        "render": run,
        "check": check,
        "data": data,
        "serve": lambda a: site.serve(a.port),
        "gpu-check": gpu_check,
    }
    try:
        verbs[args.verb](args)
    except ModuleNotFoundError as fault:
        raise SystemExit(
            f"error: {fault.name} is not installed for {sys.executable}: run "
            ".venv/bin/python -m book, after README.md's first command"
        ) from None
    except (ValueError, RuntimeError, OSError) as fault:
        full = getattr(fault, "errno", None) == errno.ENOSPC
        more = ": make room on that disk, then run this again" if full else ""
        raise SystemExit(f"error: {fault}{more}") from None
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        raise SystemExit(130) from None


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, terminated)
    main()
