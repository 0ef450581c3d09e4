"""The one public endpoint, for programs and for MCP tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from emotion.errors import EmotionError
from emotion.web.components import MemoryImage
from emotion.web.session import Session


class Api:
    """Answers programs.

    Parameters
    ----------
    session : Session
        Whose model answers.
    """

    def __init__(self, session: Session) -> None:
        self.session = session

    # Gradio makes the tool's description of this docstring: hence another form than all others have.
    def classify(self, picture: bytes | Path | None) -> dict[str, Any]:
        """Find the faces in a picture and say how each one looks: angry, happy, sad, or not sure.

        Args:
            picture: The picture to look at, of any usual format and orientation.

        Returns
        -------
            The model, its revision, and for every face, largest first, its box (x, y, width, height in pixels
            of the upright picture), label (null when the model is not sure, with the reason), confidence and
            probabilities.
        """
        if picture is None:
            raise gr.Error("There is no picture. Send one as the first argument.", print_exception=False)
        classifier = self.session.classifier
        with self.session.uploads.using(picture):
            try:
                faces = classifier.predict(self.session.open_picture(picture))
            except EmotionError as error:
                raise gr.Error(str(error), print_exception=False) from error
        return {
            "model": classifier.model_name,
            "revision": classifier.revision,
            "faces": [face.to_dict() for face in faces],
        }


def wire(picture: MemoryImage, session: Session) -> None:
    """Make `/classify` of what the component takes."""
    answer = gr.JSON(visible=False)
    gr.Button(visible=False).click(Api(session).classify, picture, answer, api_name="classify")
