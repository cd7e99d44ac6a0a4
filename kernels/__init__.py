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
``alignment``      matching hidden units by permutation
``data``, ``device``, ``sweep``  datasets, machines, grids of runs
``progress``, ``sources``, ``runs``, ``checkpoint``, ``minibatches``,
``losses``         what the others share
"""
