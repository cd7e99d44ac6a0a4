# %% [markdown]
# (notation)=
# # Notation
#
# The three papers, K19 {cite}`kuditipudi2019`, S20 {cite}`shevchenko2020` and
# N21 {cite}`nguyen2021`, use different letters for the same things, and the
# same letters for different ones. Each chapter keeps to its paper's. This page
# says what means what, what the code calls it, and where each numbered
# statement is computed and tested. Every public function, with its arguments
# and an example, is in the reference at the end of the book, one page for each
# room of the code, from {ref}`reference-certificates` to
# {ref}`reference-training`.
#
# In the code a network's parameters are a tuple with one pair
# `(weight, bias)` a layer, the bias `None` where there is none. A weight has
# shape `(out, in)`, or `(out, in, k, k)` for a convolution. A *unit* is a row
# of such a weight, a neuron or a channel, together with the columns of the
# next weight that read it. Layers are counted from 1, as in the papers, and
# Python's lists from 0.
#
# ## The same things under three names
#
# :::{table}
# :class: stack
# | Meaning | K19 | S20 | N21 | Code |
# |---|---|---|---|---|
# | parameters | $\theta = (A_i)_i$ | $\theta = (a_i, w_i)_i$; with more layers $\theta^{(\ell)}$ | $\theta = (W_l, b_l)_l$ | `theta` |
# | weight layers | $d$ | 2, or $L + 1$ | $L$ | `net.depth` |
# | hidden layers | $d - 1$ | 1, or $L$ | $L - 1$ | `net.hidden` |
# | weight of a layer | $A_i$, a row for a unit | $w_i$ into and $a_i$ out of neuron $i$; $W^{\ell}$ | $W_l$, a *column* for a unit | `theta[i - 1][0]`, a row for a unit |
# | bias | none | a constant feature 1 in $x$ | $b_l$, none in the last layer | `theta[i - 1][1]` |
# | width of a layer | $h_i$ | $N$, equal in all | $n_l$ | `net.widths[i]` |
# | input, its dimension | $x = x^0$, $h_0$ | $x$, $d$ | $x = f_0$, $n_0$ | `x`, `net.widths[0]` |
# | output | $x^d = f_\theta(x)$ | $\hat y_N(x, \theta)$ | $f_L(\theta, x)$ | `net.forward(theta, x)`, `meanfield.forward` |
# | activation | $\phi$, the ReLU | $\sigma$ | $\sigma$ | the ReLU; `activation=` in `meanfield` |
# | what layer $l + 1$ reads | $\phi(x^l)$ | $z^{(l)}$ after $\sigma^{(l)}$ | $f_l(\theta, x)$ | `net.features(theta, x, l)` |
# | loss of an example | $l(y, \hat y)$ | $(y - \hat y)^2$ | $\Psi(\hat y, y)$ | `loss="cross_entropy"`, `"square"` |
# | mean loss | $L(f_\theta)$ | $L_N(\theta)$ | $\Phi(\theta)$ | `networks.losses.mean_loss_and_error`, `meanfield.evaluate` |
# | examples | $(x, y) \sim \mathcal{D}$, a set $S$ | $(x, y) \sim \mathbb{P}$ | $(x, y) \sim \mathcal{D}$, $N$ of them | `x`, `y` |
# | units kept | at most $\lfloor h_i / 2 \rfloor$ | $A$, or $A_i$ | $\mathcal{I}_l$, at least $n_l / 2$ | `kept` |
# | share of units | dropped, $p$ | kept, $\lvert A \rvert / N$ | dropped, $f$; kept, $K_l = \lceil (1 - f) n_l \rceil$ | dropped `p`, kept `keep` |
# | factor on what is kept | $r$, or $1 / (1 - p)$ | $N / \lvert A \rvert$ | $r$ | `scale` |
# | dropout network | $\theta_i$, of layers $\hat A_j$ | $\theta_S$ | $\theta_{l,d}$ | `dropout.dropout_network`, `meanfield.drop` |
# | what the loss may rise by | $\epsilon$ | $\varepsilon_D$ by dropout, $\varepsilon_C$ on a path | $\varepsilon$ by dropout, $\epsilon$ on a path | `upper` of `certificates.certify`, less the ends' losses |
# | two solutions | $\theta^A$, $\theta^B$ | $\theta$, $\theta'$ | $\theta_0$, $\theta_1$ | `theta_a`, `theta_b` |
# | path between them | $\pi(t)$ | $\pi(t)$ | $\theta(t)$ | `path(t)`, `path.knots` |
# :::
#
# ## The same names for different things
#
# :::{table}
# :class: stack
# | Letter | K19 | S20 | N21 |
# |---|---|---|---|
# | $A$ | a weight matrix | a set of neurons | – |
# | $d$ | the number of layers | the input's dimension | – |
# | $L$ | the loss | the number of hidden layers; with an index, the loss | the number of layers |
# | $h$ | a width | – | an output of a subnetwork |
# | $N$ | – | the width | the number of examples |
# | $K$ | – | a constant of a bound | with an index, the number of units kept |
# | $\theta_1$ | a dropout network | the parameters of neuron 1 | one end of the path |
# | $k$, $m$ | rows of the counterexample; $m$ also the pairs $(U, x)$ of Lemma 5 | $k$ steps of SGD | widths $m_p$ of a subnetwork |
# | $c$ | the activation contraction | – | biases of a separating hyperplane |
# | $l$, $\ell$ | the loss of an example; in Section 5 a row of the counterexample | a layer, $\ell$ | a layer, $l$ |
# | $\pi$ | a path; in Lemma 4 a permutation | a path | – |
# | $\rho$ | interlayer smoothness | with an index, an initial law | – |
# :::
#
# ## Of one paper only
#
# :::{table}
# :class: stack
# | K19 | Meaning | Code |
# |---|---|---|
# | $M^{i,j}$, $J^{i,j}$ | the map from $x^i$ to $x^j$, and its Jacobian at $x^i$ | inside `noise.stability` |
# | $\mu_i$ | layer cushion: the least over the sample | `noise.Stability.mu` |
# | $\mu_{i,j}$, $\mu_{i\to}$ | interlayer cushion, and its least over $j$ | `noise.Stability.mu_minimal` |
# | $c$ | activation contraction | `noise.Stability.c` |
# | $\rho$ | interlayer smoothness | `noise.Smoothness.rho` |
# | $\beta$ | Lipschitz constant of the loss | `beta=` |
# | $\epsilon$ | noise stability, Definition 4 | `noise.Stability.epsilon` |
# | $\epsilon'$ | how far dropout moves a layer, relatively | `noise.Stability.relative_bound` |
# | $\delta_j$ | Algorithm 1's random factor, 0 or $1 / (1 - p)$ | drawn from `generator` |
# | $\theta^*$, $h^*_i$ | the narrow network of Theorem 3, its widths | `theta_star` |
# | $h$, $h_t$ | hidden units of student and teacher | `h`; the teacher has 2 |
# | $k, l, m, n$; $f_j$, $\mathbf{y}$ | rows of the counterexample, its columns, its labels | `counterexample.dataset` |
# :::
#
# :::{table}
# :class: stack
# | S20 | Meaning | Code |
# |---|---|---|
# | $\rho_0$ | law of the initial weights | `meanfield.init` |
# | $s_k = \alpha\,\xi(k\alpha)$ | step size at step $k$ | `step_size` |
# | $T = k\alpha$ | time of the dynamics | `meanfield.Snapshot`, its `time` |
# | $N$, $N^2$ in (3.3), (4.3) | factors of the gradient | inside `meanfield.sgd_step` |
# | $D$, $D_\ell$, $d_\ell$ | numbers of parameters and features of a neuron | shapes of `theta` |
# | $A_{\min}$ | the smallest $\lvert A_i \rvert$ | `keep=` of `meanfield.masks` |
# | $K$, $K_i$, $z$ | constants of the assumptions, and of the probability $1 - e^{-z^2}$ | not computed: rates are compared |
# | $\Delta$ | how far apart the Gaussians are | `delta=` of `data.gaussians` |
# :::
#
# :::{table}
# :class: stack
# | N21 | Meaning | Code |
# |---|---|---|
# | $\xi_l = (U_p, v_p)_p$ | parameters of the subnetwork on layer $l$'s features | `subnetworks_a[l]` of `paths.theorem41` |
# | $h_p(\xi_l, z)$, $m_p$ | its layers and widths | `networks.Network.narrow` |
# | $Q_l$, $\tilde Q_l$ | its least loss, and that over index sets too | `subnetworks.train` |
# | $T_A$, $T_B$ | random index sets tried, 20 and 200 | `draws` |
# :::
#
# (statements)=
# ## From statement to function to test
#
# Made from the sources: a function of `kernels` says in its docstring which
# statement it computes, and a test covers the functions that it uses. Of
# several tests one is named; the files lie in `tests/kernels`. The bounds of S20, (3.7), (3.8), (4.4) and (4.5), have
# constants that nobody knows, so the chapters compare rates. The equations in
# K19's proof of Lemma 3 are measured in {ref}`dropout-noise`.

# %% tags=["remove-cell"]
import sys
from pathlib import Path

here = Path(globals().get("__file__", "chapter.py")).resolve()
root = next(p for p in here.parents if (p / "_config.yml").exists())
sys.path.insert(0, str(root))

# %% tags=["remove-input"]
from book.tools import reference
from book.tools.chapter import show

show(reference.page("K19"))

# %% tags=["remove-input"]
show(reference.page("S20"))

# %% tags=["remove-input"]
show(reference.page("N21"))
