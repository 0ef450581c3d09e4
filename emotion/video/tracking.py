"""Following faces from frame to frame: stable numbers, smoothed boxes and answers, and the recent past.

Nothing here detects faces, runs a network or draws.
"""

from __future__ import annotations

import io
import math
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from emotion.predictions.calibration import renormalise
from emotion.predictions.face import NEUTRAL_OR_MIXED, Answer, Box, FacePrediction, PredictionTable

# Between two frames, the same face may move by this share of its size, and grow or shrink by this factor.
NEAREST, SCALE = 0.8, 1.8
# With less likeness than this, a face in the place of another is another person's. Of 120 people, 67 % of the
# pairs are less alike; of the same face one frame later, 1 % (once, on the film of benchmarks/tracking.py).
UNLIKE = 0.2
# Where frames are far apart, a face that is missing for less than this many of them is still the same.
MISSED_FRAMES = 1.5
# With at least this likeness, a face is one that was gone (benchmarks/tracking.py).
KNOWN = 0.55
# Seconds for which a new face may turn out to be a known one: at the edge of the picture it is not whole yet.
STRANGE = 0.8
# How many looks of every face are kept, and the seconds between them.
LOOKS, LOOKS_APART = 5, 0.5


@dataclass(frozen=True)
class TrackedFace(Answer):
    """One face that is being followed; it always has a box, and its `id` lasts."""

    box: Box
    id: int = 0


@dataclass(frozen=True)
class Moment:
    """What one face showed at one time (seconds since the first frame)."""

    time: float
    face: TrackedFace


@dataclass(frozen=True)
class Timeline:
    """Answers over time, oldest first."""

    labels: tuple[str, ...]
    moments: tuple[Moment, ...] = ()

    def to_csv(self, name: str) -> str:
        """Return one line per moment as CSV, `name` being that of the clip."""
        file = io.StringIO()
        table = PredictionTable(file, self.labels, timed=True)
        for moment in self.moments:
            table.write(name, [moment.face], time=moment.time)
        if not self.moments:
            table.write(name, [])
        return file.getvalue()


@dataclass(eq=False, kw_only=True)
class FaceTracker:
    """Follow the faces of one camera or clip. Holds plain values only, so that a session can keep it.

    All times are in seconds. After `smoothing` (of answers) or `box_smoothing`, a new value counts for 63 %.
    A face that is not found for `timeout` is gone; until `memory` has passed, its look brings back its
    number. So that labels do not flicker, confidence must fall by `margin` below the threshold before a label
    is withdrawn, and another label must lead by it to replace one. The timeline has `history` seconds, with
    `history_step` or more between two entries of a face.
    """

    labels: tuple[str, ...]
    threshold: float
    smoothing: float = 0.4
    box_smoothing: float = 0.08
    timeout: float = 0.7
    memory: float = 10.0
    margin: float = 0.05
    history: float = 30.0
    history_step: float = 0.2

    def __post_init__(self) -> None:
        self._tracks: list[_Track] = []
        self._gone: list[_Track] = []
        self._moments: deque[Moment] = deque()
        self._faces_seen = 0
        self._start: float | None = None
        self._now = 0.0

    @property
    def faces(self) -> tuple[TrackedFace, ...]:
        """The faces that are being followed now, in the order in which they appeared."""
        return tuple(self._snapshot(track) for track in self._tracks)

    @property
    def timeline(self) -> Timeline:
        """The last `history` seconds; times count from the first frame."""
        return Timeline(self.labels, tuple(self._moments))

    def update(
        self, predictions: Sequence[FacePrediction], time: float, looks: Sequence[np.ndarray] | None = None
    ) -> tuple[TrackedFace, ...]:
        """Take in the faces of one frame and return `faces`.

        `predictions` come from `EmotionClassifier.predict_located`; `time` is in seconds on any clock, and a
        late frame counts as simultaneous with the last. `looks` has `emotion.vision.crop.look` of each face;
        without it, a face that was gone gets a new number.
        """
        if self._start is None:
            self._start = time
        now = self._now = max(time - self._start, self._now)
        self._gone += [track for track in self._tracks if now - track.seen > self.timeout]
        self._gone = [track for track in self._gone if now - track.seen <= self.memory]
        self._tracks = [track for track in self._tracks if now - track.seen <= self.timeout]

        described = zip(predictions, looks if looks is not None else [None] * len(predictions), strict=True)
        found = [
            (prediction, prediction.box, look) for prediction, look in described if prediction.box is not None
        ]
        known = list(self._tracks)
        matches = _match([track.last_box for track in known], [box for _, box, _ in found])
        current = []
        for index, (prediction, box, look) in enumerate(found):
            track = known[matches[index]] if index in matches else None
            if track is not None and track.is_unlike(look, now):
                self.leave([track.id])
                track = None
            if track is None:
                track = self._begin(prediction, box, now)
                self._tracks.append(track)
            else:
                self._follow(track, prediction, box, now)
            current.append((track, look))
        self._know_again(current, now)
        for track, look in current:
            track.remember(look, now)
            if now - track.recorded >= self.history_step - 1e-6:
                track.recorded = now
                self._moments.append(Moment(now, self._snapshot(track)))
        while self._moments and self._moments[0].time < now - self.history:
            self._moments.popleft()
        return self.faces

    def leave(self, faces: Collection[int]) -> None:
        """Note that the faces with these numbers are gone, as they are after a cut.

        What looks like them gets their number again, but none of their answers.
        """
        self._gone += [track for track in self._tracks if track.id in faces]
        self._tracks = [track for track in self._tracks if track.id not in faces]

    def _begin(self, prediction: FacePrediction, box: Box, now: float) -> _Track:
        self._faces_seen += 1
        track = _Track(
            id=self._faces_seen,
            began=now,
            seen=now,
            last_box=box,
            box=np.array(box, np.float64),
            scores=self._scores(prediction),
            unusable=float(_is_unusable(prediction)),
            picture_reason=prediction.reason if _is_unusable(prediction) else None,
        )
        track.label = self._choose(track)
        return track

    def _know_again(self, current: Sequence[tuple[_Track, np.ndarray | None]], now: float) -> None:
        """Give new faces the numbers of those gone that they look like, the most alike first."""
        pairs = [
            (old.likeness(look), new, old)
            for new, look in current
            if look is not None and now - new.began <= STRANGE
            for old in self._gone
        ]
        for likeness, new, old in sorted(pairs, key=lambda pair: -pair[0]):
            if likeness < KNOWN:
                break
            # Two faces seen at the same time are two people.
            if old in self._gone and new.began > old.seen:
                self._gone.remove(old)
                self._rename(new, old)
        self._tracks.sort(key=lambda track: track.id)

    def _rename(self, new: _Track, old: _Track) -> None:
        if new.id == self._faces_seen:
            self._faces_seen -= 1
        self._moments = deque(
            replace(moment, face=replace(moment.face, id=old.id)) if moment.face.id == new.id else moment
            for moment in self._moments
        )
        # It began when the other did, so it is known from now on.
        new.id, new.began, new.looks, new.looked = old.id, old.began, old.looks, old.looked

    def _follow(self, track: _Track, prediction: FacePrediction, box: Box, now: float) -> None:
        elapsed, track.seen, track.last_box = now - track.seen, now, box
        unusable = _is_unusable(prediction)
        answers = _share(elapsed, self.smoothing)
        track.box += _share(elapsed, self.box_smoothing) * (np.array(box, np.float64) - track.box)
        track.unusable += answers * (float(unusable) - track.unusable)
        if unusable:
            track.picture_reason = prediction.reason
        else:
            track.scores += answers * (self._scores(prediction) - track.scores)
        track.label = self._choose(track)

    def _scores(self, prediction: FacePrediction) -> np.ndarray:
        """Undo the display's renormalisation, so that a neutral moment pulls every label down."""
        shown = np.array([prediction.probabilities[label] for label in self.labels], np.float64)
        return shown * prediction.confidence / shown.max()

    def _choose(self, track: _Track) -> str | None:
        if track.unusable > 0.5:
            return None
        best = int(track.scores.argmax())
        if track.label is not None:
            current = track.scores[self.labels.index(track.label)]
            if current >= self.threshold - self.margin and track.scores[best] - current <= self.margin:
                return track.label
        return self.labels[best] if track.scores[best] >= self.threshold else None

    def _snapshot(self, track: _Track) -> TrackedFace:
        shown = renormalise(track.scores, len(self.labels))
        x, y, width, height = (int(value) for value in np.rint(track.box))
        reason = None
        if track.label is None:
            reason = track.picture_reason if track.unusable > 0.5 else NEUTRAL_OR_MIXED
        return TrackedFace(
            id=track.id,
            box=(x, y, width, height),
            probabilities={label: float(value) for label, value in zip(self.labels, shown, strict=True)},
            confidence=float(track.scores.max()),
            label=track.label,
            reason=reason,
        )


@dataclass(eq=False)
class _Track:
    id: int
    began: float
    seen: float
    last_box: Box  # as detected; `box` is the smoothed one
    box: np.ndarray
    scores: np.ndarray  # per label, not renormalised: the largest is the confidence
    unusable: float  # smoothed share of recent frames in which the face was too small, too blurred, ...
    picture_reason: str | None
    label: str | None = None
    recorded: float = -math.inf
    looks: list[np.ndarray] = field(default_factory=list)
    looked: float = -math.inf
    last_look: np.ndarray | None = None

    def likeness(self, look: np.ndarray) -> float:
        """Return how much a face looks like this one did, -1 to 1."""
        return max((float(look @ known) for known in self.looks), default=-1.0)

    def is_unlike(self, look: np.ndarray | None, now: float) -> bool:
        """Whether a face in its place must be another person's."""
        if look is None or self.last_look is None or now - self.began <= STRANGE:
            return False
        return max(self.likeness(look), float(look @ self.last_look)) < UNLIKE

    def remember(self, look: np.ndarray | None, now: float) -> None:
        """Keep the last look and a few others, the oldest of them going first."""
        self.last_look = look
        if look is not None and now - self.looked >= LOOKS_APART:
            self.looks, self.looked = [*self.looks, look][-LOOKS:], now


def _is_unusable(prediction: FacePrediction) -> bool:
    """Whether there is a reason that is about the picture rather than the expression."""
    return prediction.reason not in (None, NEUTRAL_OR_MIXED)


def _share(elapsed: float, time_constant: float) -> float:
    """Return how far a value moves towards a new one in the elapsed seconds, 0..1, at any frame rate."""
    return 1.0 if time_constant <= 0 else 1 - math.exp(-elapsed / time_constant)


def _match(known: list[Box], found: list[Box]) -> dict[int, int]:
    """Pair boxes, nearest first, by centre distance in face sizes: {index in found: index in known}."""
    pairs = []
    for new, box in enumerate(found):
        for old, other in enumerate(known):
            sizes = math.sqrt(max(box[2] * box[3], 1)), math.sqrt(max(other[2] * other[3], 1))
            distance = math.dist(_centre(box), _centre(other)) / max(sizes)
            if distance <= NEAREST and max(sizes) / min(sizes) <= SCALE:
                pairs.append((distance, new, old))
    matches: dict[int, int] = {}
    for _, new, old in sorted(pairs):
        if new not in matches and old not in matches.values():
            matches[new] = old
    return matches


def _centre(box: Box) -> tuple[float, float]:
    x, y, width, height = box
    return x + width / 2, y + height / 2
