"""Noise stability of ReLU networks: K19, section 4 and appendix B.

``stability``     layer cushion, interlayer cushion, activation contraction
                  (Definition 2) and what follows from them (Definition 4)
``smoothness``    interlayer smoothness (Definition 3), and how far dropout
                  moves each layer, against the proof of Lemma 3
``layer_noise``   dropout of one layer against Lemma 5
``output_noise``  mean and covariance of the outputs under dropout

All are given sample by sample; the paper's numbers are their extremes.  x^i
are pre-activations, phi is all that stands between two layers: ReLU, pooling,
flattening.  Layers are counted 1 … d.
"""

from kernels.noise.cushions import Stability, stability
from kernels.noise.interlayer import Smoothness, smoothness
from kernels.noise.layers import LayerNoise, layer_noise
from kernels.noise.propagation import OutputNoise, output_noise
from kernels.noise.spectral import spectral_norms

__all__ = [
    "LayerNoise",
    "OutputNoise",
    "Smoothness",
    "Stability",
    "layer_noise",
    "output_noise",
    "smoothness",
    "spectral_norms",
    "stability",
]
