"""Photographs of one face each, made of the portraits in examples/."""

from pathlib import Path

from PIL import Image, ImageEnhance

from tests.data.pictures import LABELS

EXAMPLES = Path(__file__).parents[2] / "examples"
FACES = {"happy": "2-happy.jpg", "angry": "4-angry.jpg", "sad": "5-sad.jpg"}
EACH = 4


def photograph(label: str, number: int) -> Image.Image:
    """A face of about 150 pixels somewhere in a photograph of 640×480."""
    face = Image.open(EXAMPLES / FACES[label]).convert("RGB")
    face.thumbnail((260, 260))
    scene = Image.new("RGB", (640, 480), (90, 110, 120 + number))
    scene.paste(face, (40 * number, 20 * number))
    return ImageEnhance.Brightness(scene).enhance(0.8 + 0.1 * number)


def write_photographs(root: Path) -> Path:
    """Write `EACH` photographs a label into train and test folders."""
    for split in ("train", "test"):
        for label in LABELS:
            (root / split / label).mkdir(parents=True)
            for number in range(EACH):
                photograph(label, number).save(root / split / label / f"{number}.png")
    return root
