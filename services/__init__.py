"""The processes of the fleet (a folder each) and the machinery they stand on (a file each)."""
