"""The commands that install and start this program, from a clone or as a package."""

from pathlib import Path

PACKAGE = "emotion-faces"
# Environment variables of the app.
MODEL_VARIABLE, REFRESH_VARIABLE = "EMOTION_MODEL", "EMOTION_REFRESH_MINUTES"

if (Path(__file__).parents[1] / "requirements.txt").is_file():
    COMMAND = "python -m emotion"
    TRAIN_COMMAND = "python train.py"
    APP_COMMAND = "python app.py"
    INSTALL_TRAINING = "pip install -r requirements.txt"
    INSTALL_APP = "pip install -r requirements-app.txt"
else:
    COMMAND = "facial-emotion"
    TRAIN_COMMAND = "facial-emotion-train"
    APP_COMMAND = "facial-emotion-app"
    INSTALL_TRAINING = f'pip install "{PACKAGE}[train]"'
    INSTALL_APP = f'pip install "{PACKAGE}[app]"'
