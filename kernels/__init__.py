"""Numerical routines of The Connected Landscape.

Every module imports with torch and numpy alone. The rooms:

``networks``       ReLU networks, fully connected and convolutional
``paths``          the papers' path constructions, knot by knot
``interpolation``  loss and error along a path
``certificates``   suprema over the continuum, exact or bounded
``dropout``        dropout networks and dropout stability
``counterexample`` two global minima that are not connected
``meanfield``      mean-field networks and their SGD
``data``, ``device``, ``progress``, ``sweep``  what all of them share
"""
