"""A folder with a `__main__.py` is a process or a program; one without is a library that they share."""
