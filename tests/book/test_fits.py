"""Power laws are recovered, and their errors are the trials'."""

import numpy as np
import pytest

from book.tools import fits


def test_an_exact_power_law():
    x = np.array([50, 200, 3200.0])
    fit = fits.loglog(x, np.stack([3 * x**-1.25] * 4, 1))
    assert fit.slope == pytest.approx(-1.25)
    assert fit.error == pytest.approx(0, abs=1e-12)
    assert fit.r2 == pytest.approx(1)
    assert fit(800) == pytest.approx(3 * 800**-1.25)


def test_the_error_is_the_standard_error_of_the_trials_slopes():
    x = np.array([1.0, 10, 100])
    slopes = np.array([-0.4, -0.5, -0.6, -0.9])
    fit = fits.loglog(x, x[:, None] ** slopes)
    expected = slopes.std(ddof=1) / 2
    assert fit.error == pytest.approx(expected)


def test_one_trial_has_no_error():
    assert fits.loglog([1, 2], [[1.0], [2.0]]).error is None


def test_rows_of_different_length_are_fitted_through_their_means():
    x = [10, 100, 1000]
    fit = fits.loglog(x, [[1.0, 3.0], [0.2], [0.01, 0.02, 0.03]])
    assert fit.slope == pytest.approx(-1)
    assert fit.error is None


@pytest.mark.parametrize("y", [[[1.0], [0.0]], [[1.0]], [[1.0], [-2.0]]])
def test_what_has_no_logarithm_is_refused(y):
    with pytest.raises(ValueError):
        fits.loglog([1, 2], y)


def test_rows_may_be_tensors():
    import torch

    y = torch.tensor([[1.0], [4.0], [16.0]], dtype=torch.float64)
    assert fits.loglog([1, 2, 4], y).slope == pytest.approx(2)
