"""Suprema over the continuum of a path: exact where the path's theory makes
them so, rigorous upper bounds elsewhere."""

from kernels.certificates.certificate import Certificate, Segment
from kernels.certificates.certify import certify
from kernels.certificates.errors import error_supremum
from kernels.certificates.pieces import flips
from kernels.certificates.quartic import square_supremum

__all__ = [
    "Certificate",
    "Segment",
    "certify",
    "error_supremum",
    "flips",
    "square_supremum",
]
