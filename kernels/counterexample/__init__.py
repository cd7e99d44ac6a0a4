"""Two global minima that no path of low loss connects (K19, Theorem 4).

The data set of appendix C with its indices corrected, both minima, a search
for the lowest pass between them, a proof of how low it can be and a path over
it.  The student has no biases: with biases in the hidden layer the barrier
vanishes, along ``biased_path``.
"""

from kernels.counterexample.biases import biased_network, biased_path
from kernels.counterexample.bound import pass_bound
from kernels.counterexample.crossing import Crossing, crossing
from kernels.counterexample.minima import dataset, minima, network
from kernels.counterexample.search import Search, fit, lowest_pass

__all__ = [
    "Crossing",
    "Search",
    "biased_network",
    "biased_path",
    "crossing",
    "dataset",
    "fit",
    "lowest_pass",
    "minima",
    "network",
    "pass_bound",
]
