import pytest


@pytest.fixture
def static(monkeypatch):
    """Explorers are the fragments of a static page."""
    monkeypatch.setenv("DIT_LITE_STATIC", "1")
