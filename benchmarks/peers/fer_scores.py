"""Scores of the package `fer` for plain face crops; runs in its own environment.

python fer_scores.py FACES SIZE SCORES: reads uint8 grey faces (n, SIZE, SIZE) from the file FACES and
writes {labels, scores, seconds_per_face} as JSON to the file SCORES.
"""

import json
import statistics
import sys
import time

import cv2
import numpy as np
from fer.fer import FER

COLUMNS = {"angry": 0, "happy": 3, "sad": 4}  # of FER._get_labels


def main(faces_file: str, size: str, scores_file: str) -> None:
    faces = np.fromfile(faces_file, np.uint8).reshape(-1, int(size), int(size))
    model = FER()

    def predict(face: np.ndarray) -> np.ndarray:
        # What FER.detect_emotions does with a box, without the margin that is not there around a plain crop.
        resized = cv2.resize(face, (64, 64)).astype("float32")
        return model._classify_emotions((resized / 255 - 0.5)[None] * 2)[0]  # noqa: SLF001

    for _ in range(10):
        predict(faces[0])
    scores, times = [], []
    for face in faces:
        start = time.process_time()
        probabilities = predict(face)
        times.append(time.process_time() - start)
        scores.append([float(probabilities[column]) for column in COLUMNS.values()])
    result = {"labels": list(COLUMNS), "scores": scores, "seconds_per_face": statistics.median(times)}
    with open(scores_file, "w") as file:
        json.dump(result, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
