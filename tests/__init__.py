"""Tests; a package, because one of the libraries installs another one of this name."""
