"""Classify a folder of any size with Ray Data: one row per face, in Parquet files.

python -m examples.map_ray FOLDER OUTPUT [--model owner/name] [--workers 8]

Needs `pip install "ray[data]"` beside what the app needs. Without a cluster Ray starts one on this computer;
on a cluster FOLDER and OUTPUT may be addresses such as s3://bucket/pictures.
"""

import argparse
import logging

import ray

from emotion import EmotionClassifier, InvalidImageError


class Classify:
    """A worker: takes the model once, then batch after batch of pictures."""

    def __init__(self, classifier: EmotionClassifier) -> None:
        self.classifier = classifier

    def __call__(self, pictures: dict[str, list]) -> dict[str, list]:
        """Turn a batch of pictures into a batch of faces; a label is empty where the model is not sure."""
        faces = {"file": [], "label": [], "confidence": []}
        for path, content in zip(pictures["path"], pictures["bytes"], strict=True):
            try:
                found = self.classifier.predict(content)
            except InvalidImageError as error:
                logging.warning("%s: %s", path, error)
                continue
            for face in found:
                faces["file"].append(path)
                faces["label"].append(face.label or "")
                faces["confidence"].append(face.confidence)
        return faces


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder")
    parser.add_argument("output")
    parser.add_argument("--model", help="folder or owner/name; by default the embedded one")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()

    pictures = ray.data.read_binary_files(
        options.folder, include_paths=True, file_extensions=["jpg", "jpeg", "png", "webp", "heic"]
    )
    faces = pictures.map_batches(
        Classify,
        batch_size=32,
        compute=ray.data.ActorPoolStrategy(size=options.workers),
        # Half a processor each, as Ray counts: whoever reads the pictures needs some, too.
        num_cpus=0.5,
        # A classifier is pickled as the name of its folder or repository, and loaded where it arrives.
        fn_constructor_args=(EmotionClassifier.from_pretrained(options.model),),
    )
    faces.write_parquet(options.output)


if __name__ == "__main__":
    main()
