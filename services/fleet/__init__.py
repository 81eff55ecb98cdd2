"""One fleet on this machine: where its files lie, its processes under supervisord, its locks."""
