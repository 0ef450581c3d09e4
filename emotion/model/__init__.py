"""A trained network: the saved format, engines, the classifier, pulling and publishing."""
