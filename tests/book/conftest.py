"""Chromium for the tests that look at pages."""

import browser as chromium
import pytest


@pytest.fixture(scope="session")
def browser():
    """One Chromium for all the tests."""
    executable = chromium.find()
    if executable is None:
        pytest.skip(
            "no Chromium found: apt-get install chromium, or set CHROMIUM to "
            "one"
        )
    with chromium.Browser(executable) as running:
        yield running
