"""A classifier in other processes and on other computers: the address of its model travels, no weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from emotion.errors import ModelLoadError
from emotion.model.classifier import EmotionClassifier
from emotion.model.description import Description
from emotion.model.isolation import IsolatedNetwork
from emotion.model.loading import EMBEDDED, load, load_folder


@dataclass(frozen=True)
class Address:
    """Where a model is: what a pickled classifier holds.

    Attributes
    ----------
    reference : str or None
        "owner/name", the path of a folder, or None for the embedded model.
    revision : str, optional
        Commit on the Hub.
    folder : str, optional
        Where the commit is in the cache of the computer that pickled it.
    isolated : bool
        Whether the network runs in a process of its own.
    """

    reference: str | None
    revision: str | None = None
    folder: str | None = None
    isolated: bool = False


def address_of(classifier: EmotionClassifier) -> Address:
    """Say where a classifier was loaded from.

    Raises
    ------
    ModelLoadError
        If it was never saved to a folder.
    """
    if classifier.folder is None:
        raise ModelLoadError(
            "A model in memory cannot be handed to another process. Save it with save_pretrained(folder), "
            "and load it from there."
        )
    isolated = isinstance(classifier.network, IsolatedNetwork)
    if classifier.revision:
        folder = str(classifier.folder.absolute())
        return Address(classifier.model_name, classifier.revision, folder, isolated)
    embedded = classifier.folder == EMBEDDED
    return Address(None if embedded else str(classifier.folder.absolute()), isolated=isolated)


def load_again(address: Address, description: Description) -> EmotionClassifier:
    """Load the model that a pickled classifier was, on whatever computer.

    Raises
    ------
    ModelLoadError
        If it is not there any more, or another model is.
    """
    if address.folder and Path(address.folder).is_dir() and address.reference:
        # The same computer, most often: no question to the Hub from every one of many processes.
        classifier = load_folder(
            Path(address.folder),
            model_name=address.reference,
            revision=address.revision,
            isolated=address.isolated,
        )
    elif address.reference is None or address.revision or Path(address.reference).is_dir():
        classifier = load(address.reference, revision=address.revision, isolated=address.isolated)
    else:
        raise ModelLoadError(
            f"The folder {address.reference} of a pickled model is not on this computer, or not any more. "
            "Copy it there, or publish the model and load it as owner/name, which every computer can."
        )
    if classifier.description.files != description.files:
        raise ModelLoadError(
            f"The model in {classifier.folder} is not the one that was pickled: it was saved anew since, or "
            "this computer has another version of it. Load it again before you hand it on."
        )
    # What was changed in memory, such as the threshold, goes along.
    classifier.description = description
    return classifier
