"""Classify a folder of any size with Hugging Face Datasets: one row per face, in a Parquet file.

python -m examples.map_datasets FOLDER faces.parquet [--model owner/name] [--workers 8]

Needs `pip install datasets` beside what the app needs. Every worker loads the model once. What was done is
kept in the cache of Datasets: the same call again, with the same model, starts from there.
"""

import argparse
import logging

from datasets import Image, load_dataset

from emotion import EmotionClassifier, InvalidImageError


def classify(pictures: dict[str, list], classifier: EmotionClassifier) -> dict[str, list]:
    """Turn a batch of pictures into a batch of faces; a label is empty where the model is not sure."""
    faces = {"file": [], "label": [], "confidence": []}
    for picture in pictures["image"]:
        try:
            found = classifier.predict(picture["bytes"] or picture["path"])
        except InvalidImageError as error:
            logging.warning("%s: %s", picture["path"], error)
            continue
        for face in found:
            faces["file"].append(picture["path"])
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

    pictures = load_dataset("imagefolder", data_dir=options.folder, drop_labels=True, split="train")
    faces = pictures.cast_column("image", Image(decode=False)).map(
        classify,
        batched=True,
        batch_size=32,
        remove_columns=pictures.column_names,
        num_proc=options.workers,
        # A classifier is pickled as the name of its folder or repository, and loaded where it arrives.
        fn_kwargs={"classifier": EmotionClassifier.from_pretrained(options.model)},
    )
    faces.to_parquet(options.output)
    print(f"{len(faces)} faces in {len(pictures)} pictures")


if __name__ == "__main__":
    main()
