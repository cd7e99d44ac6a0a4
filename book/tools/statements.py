"""The numbered statements of the three papers, in a few words of ours.

Figures and tables are left to the scoreboard. In the papers' order.
"""

STATEMENTS = {
    "K19": {
        "Definition 1": "dropout stability",
        "Theorem 1": "a path between dropout-stable parameters",
        "Lemma 1": "the way down to a dropout network",
        "Lemma 2": "the way across, where half of the units are zero",
        "Remark 1": "channels in place of neurons",
        "Definition 2": "cushions and activation contraction",
        "Definition 3": "interlayer smoothness",
        "Definition 4": "noise stability",
        "Algorithm 1": "dropout of columns",
        "Theorem 2": "a path between noise-stable parameters",
        "Lemma 3": "the straight way down to a dropout network",
        "Theorem 3": "a path over a narrow network",
        "Theorem 4": "two global minima that are not connected",
        "Lemma 4": "permuting units at constant output",
        "Lemma 5": "what dropout of one layer does to the output",
        "Lemma 6": "h − 1 units of positive weight do not fit",
        "Lemma 7": "a Bernstein inequality for matrices",
        "Lemma 8": "a Bernstein inequality for vectors",
    },
    "S20": {
        "(1.1)": "the mean-field network of several layers",
        "(3.1)": "the mean-field network of two layers",
        "(3.2)": "its square loss",
        "(3.3)": "SGD, the gradient times N",
        "(3.4)": "the dropout network",
        "Definition 3.1": "dropout stability, (3.5)",
        "Definition 3.2": "connectivity, (3.6)",
        "Theorem 1": "SGD's two-layer networks: (A) stable, (B) connected",
        "(4.1)": "several layers in general form",
        "(4.2)": "its square loss",
        "(4.3)": "SGD, the middle layers' gradient times N²",
        "Theorem 2": "the same for SGD's networks of several layers",
        "Appendix D": "two isotropic Gaussians",
    },
    "N21": {
        "(1)": "the network and its features",
        "(3)": "the subnetwork on features",
        "Theorem 4.1": "a path over subnetworks",
        "Corollary 4.2": "the best index sets, layer by layer",
        "Corollary 4.3": "dropout stability suffices",
        "Corollary 4.4": "two wide layers suffice to memorize",
        "Corollary 4.5": "linearly separable features suffice",
        "Claim 5.1": "swapping two units at constant output",
        "(16)": "the best loss of a subnetwork",
        "Experiment A": "subnetworks, trained",
        "Experiment B": "dropout networks, rescaled",
    },
}
WORDS = {  # statements that no function computes
    ("K19", "Lemma 7"): "cited there; a step to Lemma 8",
    ("S20", "(4.1)"): "(1.1) is the case that is computed",
}
