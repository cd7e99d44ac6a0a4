"""NVRTC, NVIDIA's run-time compiler, which needs no GPU."""

import ctypes
import functools
import glob
import os
import sysconfig


@functools.cache
def library():
    """NVRTC of the wheel nvidia-cuda-nvrtc; None where it is not there."""
    site = sysconfig.get_paths()["purelib"]
    found = glob.glob(f"{site}/nvidia/**/libnvrtc.so.1[2-9]", recursive=True)
    if not found:
        return None
    folder = os.path.dirname(found[0])
    for part in glob.glob(f"{folder}/libnvrtc-builtins.so.*"):
        ctypes.CDLL(part, ctypes.RTLD_GLOBAL)  # NVRTC would not find it
    return ctypes.CDLL(found[0])


def compiled(text, *options):
    """The machine code of a source and the compiler's log.

    Raises AssertionError with the log where it does not compile.
    """
    nvrtc, program = library(), ctypes.c_void_p()

    def call(name, *arguments):
        return getattr(nvrtc, f"nvrtc{name}")(*arguments)

    def read(what):
        size = ctypes.c_size_t()
        assert call(f"Get{what}Size", program, ctypes.byref(size)) == 0
        buffer = ctypes.create_string_buffer(size.value)
        assert call(f"Get{what}", program, buffer) == 0
        return buffer.raw

    given = (ctypes.c_char_p * len(options))(*map(str.encode, options))
    fault = call(
        "CreateProgram",
        *(ctypes.byref(program), text.encode(), b"kernel.cu", 0, None, None),
    )
    assert fault == 0
    try:
        fault = call("CompileProgram", program, len(options), given)
        log = read("ProgramLog").rstrip(b"\0").decode()
        assert fault == 0, log
        return read("CUBIN"), log
    finally:
        call("DestroyProgram", ctypes.byref(program))
