"""Pixels: opening pictures, finding faces, and the one crop."""
