"""The parts of the page that are plain HTML: pure functions, one noun a file."""
