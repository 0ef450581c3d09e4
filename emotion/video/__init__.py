"""Following faces over time, annotating clips."""
