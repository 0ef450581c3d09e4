"""Faces that the package `fer` finds in whole pictures; runs in its own environment.

python fer_pictures.py PICTURES ANSWERS LABEL...: reads a JSON list of picture files and writes, for every
picture, a JSON list of {box, label}, where label is the one of LABEL... that it scores highest.
"""

import json
import sys

import cv2
from fer.fer import FER


def main(pictures_file: str, answers_file: str, *labels: str) -> None:
    with open(pictures_file) as file:
        pictures = json.load(file)
    model = FER()
    answers = []
    for picture in pictures:
        faces = model.detect_emotions(cv2.imread(picture))
        answers.append(
            [
                {
                    "box": [int(value) for value in face["box"]],
                    "label": max(labels, key=lambda label: face["emotions"][label]),
                }
                for face in faces
            ]
        )
    with open(answers_file, "w") as file:
        json.dump(answers, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
