"""Times of the package `fer` on whole picture files; runs in its own environment. See `answering`."""

import cv2
from fer.fer import FER

from benchmarks.peers.answering import answer

if __name__ == "__main__":
    model = FER()
    answer(lambda path: len(model.detect_emotions(cv2.imread(path))))
