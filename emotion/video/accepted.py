"""Which clips are accepted; nothing that opens one is imported here."""

from emotion.errors import EmotionError

# Seconds: the longest clip that is accepted unless the caller says otherwise, and what is let pass on top,
# because cameras that stop after a minute write a few frames more.
MAX_SECONDS, GRACE = 60.0, 0.5
# Pixels: larger frames are scaled down, which detection and browsers are grateful for.
MAX_SIDE = 1280
# Frames per second; slow-motion clips lose the frames in between.
MAX_RATE = 30
# Per frame, checked before the first one is decoded.
MAX_PIXELS = 50_000_000

# Containers that people's cameras, browsers and editors write. Playlists (HLS, DASH, concat) stay out: they
# would make FFmpeg open other files and addresses on behalf of whoever uploads one.
CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,ogg,asf,gif"
# How the files of these are named; a GIF counts as a picture.
EXTENSIONS = frozenset({
    ".3g2", ".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mj2", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg",
    ".mts", ".ogv", ".ts", ".webm", ".wmv",
})  # fmt: skip

NOT_A_CLIP = "This is not a video that can be read. Use an MP4, MOV, WebM, MKV or AVI file."


class InvalidVideoError(EmotionError, ValueError):
    """The input is not a clip that can be annotated."""
