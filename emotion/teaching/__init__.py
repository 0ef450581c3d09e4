"""Fitting the last layer of a network to a person's face, or to a folder of faces."""
