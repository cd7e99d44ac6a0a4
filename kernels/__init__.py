"""Numerical routines of The Connected Landscape.

Every module imports with torch and numpy alone. The rooms:

``networks``       ReLU networks, fully connected and convolutional
``paths``          the papers' path constructions, knot by knot
``interpolation``  loss and error along a path
``certificates``   suprema over the continuum, exact or bounded
``dropout``        dropout networks and dropout stability
``counterexample`` two global minima that are not connected
``meanfield``      mean-field networks and their SGD
``training``       SGD for networks, resumable
``noise``          noise stability: cushions, contraction, smoothness
``subnetworks``    networks trained on another's features
``memorization``, ``separation``  networks built by hand to fit given data
``alignment``      matching hidden units by permutation
``curves``         learned curves between two networks
``cuda``           CUDA C sources, and the Torch references beside them
``data``, ``device``, ``sweep``  datasets, machines, grids of runs
``progress``, ``sources``, ``runs``, ``checkpoint``, ``minibatches``,
``losses``         what the others share
"""
