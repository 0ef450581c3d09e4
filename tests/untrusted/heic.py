"""A HEIC as phones write it: a grid of HEVC tiles, which here share one coded picture."""

import struct
from pathlib import Path

TILE = 512
# Grey noise of σ 8, encoded by libx265 with CRF 34 as the only frame of a clip.
TILE_FILE = Path(__file__).with_name("tile.mp4")
GRID_ITEM = 1


def tiled_heic(width: int, height: int) -> bytes:
    """Return a HEIC of so many pixels."""
    configuration, coded = _tile()
    columns, rows = -(-width // TILE), -(-height // TILE)
    grid = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, width, height)
    tiles = range(GRID_ITEM + 1, GRID_ITEM + 1 + rows * columns)
    items = [
        _box("infe", struct.pack(">HH", item, 0), kind, b"\0", version=2, flags=int(item != GRID_ITEM))
        for item, kind in [(GRID_ITEM, b"grid"), *((item, b"hvc1") for item in tiles)]
    ]
    properties = _box(
        "ipco",
        configuration,
        *(_box("ispe", struct.pack(">II", *size), version=0) for size in ((TILE, TILE), (width, height))),
    )
    uses = _box(
        "ipma",
        struct.pack(">IHBB", len(items), GRID_ITEM, 1, 3),
        *(struct.pack(">HBBB", item, 2, 0x81, 2) for item in tiles),
        version=0,
    )
    made_of = struct.pack(">HH", GRID_ITEM, len(tiles)) + struct.pack(f">{len(tiles)}H", *tiles)

    def meta(start: int) -> bytes:
        places = {item: (start + len(grid), len(coded)) for item in tiles}
        places[GRID_ITEM] = (start, len(grid))
        return _box(
            "meta",
            _box("hdlr", bytes(4), b"pict", bytes(13), version=0),
            _box("pitm", struct.pack(">H", GRID_ITEM), version=0),
            _box(
                "iloc",
                b"\x44\x00" + struct.pack(">H", len(places)),
                *(struct.pack(">HHHII", item, 0, 1, *places[item]) for item in sorted(places)),
                version=0,
            ),
            _box("iinf", struct.pack(">H", len(items)), *items, version=0),
            _box("iref", _box("dimg", made_of), version=0),
            _box("iprp", properties, uses),
            version=0,
        )

    head = _box("ftyp", b"heic", bytes(4), b"mif1heic")
    return head + meta(len(head) + len(meta(0)) + 8) + _box("mdat", grid, coded)


def _tile() -> tuple[bytes, bytes]:
    """Return the hvcC box of the tile, and its coded picture."""
    content = TILE_FILE.read_bytes()
    return _found(content, b"hvcC"), _found(content, b"mdat")[8:]


def _found(content: bytes, name: bytes) -> bytes:
    start = content.index(name) - 4
    (length,) = struct.unpack_from(">I", content, start)
    return content[start : start + length]


def _box(name: str, *parts: bytes, version: int | None = None, flags: int = 0) -> bytes:
    body = b"".join(parts)
    if version is not None:
        body = struct.pack(">I", version << 24 | flags) + body
    return struct.pack(">I", 8 + len(body)) + name.encode() + body
