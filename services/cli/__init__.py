"""`crazy`: what the operator types. One file per command; its docstring is its manual."""
