"""What several tests of the laws watch."""

import pytest

from htmp_bayes.laws import kernel


@pytest.fixture
def asked_of(monkeypatch):
    """Make a function that watches one of the kernel, and gives the list of how many points each call asks for."""

    def watch(name):
        whole, asked = getattr(kernel, name), []

        def counted(log_y, *law):
            asked.append(log_y.size)
            return whole(log_y, *law)

        monkeypatch.setattr(kernel, name, counted)
        return asked

    return watch
