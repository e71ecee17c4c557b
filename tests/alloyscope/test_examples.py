"""Every example in the package's docstrings runs."""

import doctest
import inspect
import pkgutil
from importlib import import_module

import pytest

import alloyscope as al

MODULES = [f"alloyscope.{m.name}" for m in pkgutil.iter_modules(al.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_run(name):
    failures, _ = doctest.testmod(import_module(name))
    assert not failures


@pytest.mark.parametrize("name", [n for n in al.__all__ if inspect.isfunction(getattr(al, n))])
def test_every_public_function_tells_its_errors_and_has_an_example(name):
    words = inspect.getdoc(getattr(al, name))
    assert ">>> " in words
    assert "Raises" in words
