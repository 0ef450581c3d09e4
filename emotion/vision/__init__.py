"""Pixels: opening pictures and clips, finding faces, the one crop."""
