// Following faces from frame to frame: stable numbers, smoothed boxes and answers, and the recent past; see
// emotion/video/tracking.py. Nothing here detects faces, runs a network or draws.

import { renormalised } from "./calibration.js";
import { likeness } from "./look.js";
import { roundEven } from "./picture.js";

/**
 * @import { Answer } from "./calibration.js"
 * @import { Box } from "./picture.js"
 * @import { Constants, Model } from "./constants.js"
 */

/** An answer, and where its face is. @typedef {Answer & { box: Box }} LocatedAnswer */

/** One face that is being followed. @typedef {LocatedAnswer & { id: number }} TrackedFace */

/** What one face showed, in seconds since the first frame. @typedef {{ time: number, face: TrackedFace }} Moment */

/**
 * @typedef {object} Track
 * @property {number} id
 * @property {number} began seconds
 * @property {number} seen seconds
 * @property {Box} lastBox as detected; `box` is the smoothed one
 * @property {Box} box
 * @property {number[]} scores per label, not renormalised: the largest is the confidence
 * @property {number} unusable smoothed share of recent frames in which the face was too small, too blurred, …
 * @property {string | null} pictureReason
 * @property {string | null} label
 * @property {number} recorded seconds
 * @property {Float32Array[]} looks
 * @property {number} looked seconds
 * @property {Float32Array | null} lastLook
 */

export class Tracker {
  /** @type {Track[]} */
  #tracks = [];
  /** @type {Track[]} */
  #gone = [];
  /** @type {Moment[]} */
  #moments = [];
  #facesSeen = 0;
  /** @type {number | null} */
  #start = null;
  #now = 0;
  #previous = 0;
  /** How often `moments` has changed. */
  changes = 0;

  /** @param {Constants} constants @param {Model} model */
  constructor(constants, model) {
    this.constants = constants;
    this.model = model;
    // Seconds after which a face that is no longer found is gone.
    this.timeout = constants.TRACKER.timeout;
  }

  /** The faces that are being followed now, in the order in which they appeared. @returns {TrackedFace[]} */
  get faces() {
    return this.#tracks.map((track) => this.#snapshot(track));
  }

  /** The last seconds, oldest first; times count from the first frame. */
  get moments() {
    return this.#moments;
  }

  /**
   * Take in the faces of one frame; the answer includes those that it missed, until their timeout ends.
   * @param {LocatedAnswer[]} answers
   * @param {number} time in seconds, on a clock that does not run backwards
   * @param {(Float32Array | null)[]} looks of every face
   */
  update(answers, time, looks) {
    const { memory, history, history_step, MISSED_FRAMES } = this.constants.TRACKER;
    this.#start ??= time;
    const now = (this.#now = Math.max(time - this.#start, this.#now));
    // A slow device sees few frames: a face that is gone for less than so many of them is still the same.
    const timeout = Math.max(this.timeout, MISSED_FRAMES * (now - this.#previous));
    this.#previous = now;
    this.#gone.push(...this.#tracks.filter((track) => now - track.seen > timeout));
    this.#gone = this.#gone.filter((track) => now - track.seen <= memory);
    this.#tracks = this.#tracks.filter((track) => now - track.seen <= timeout);
    const current = this.#taken(answers, looks, now);
    this.#knowAgain(current, looks, now);
    current.forEach((track, index) => {
      this.#remember(track, looks[index], now);
      if (now - track.recorded >= history_step - 1e-6) {
        track.recorded = now;
        this.changes++;
        this.#moments.push({ time: now, face: this.#snapshot(track) });
      }
    });
    while (this.#moments.length && this.#moments[0].time < now - history) {
      this.changes++;
      this.#moments.shift();
    }
    return this.faces;
  }

  /**
   * Follow the known among the faces of a frame, and begin with the others.
   * @param {LocatedAnswer[]} answers @param {(Float32Array | null)[]} looks @param {number} now
   */
  #taken(answers, looks, now) {
    const known = [...this.#tracks];
    const pairs = matches(
      known.map((track) => track.lastBox),
      answers.map((answer) => answer.box),
      this.constants,
    );
    return answers.map((answer, index) => {
      const old = pairs.get(index);
      if (old !== undefined && !this.#isUnlike(known[old], looks[index], now)) return this.#follow(known[old], answer, now);
      if (old !== undefined) {
        this.#tracks = this.#tracks.filter((each) => each !== known[old]);
        this.#gone.push(known[old]);
      }
      const track = this.#begin(answer, now);
      this.#tracks.push(track);
      return track;
    });
  }

  /** @param {LocatedAnswer} answer @param {number} now @returns {Track} */
  #begin(answer, now) {
    const unusable = this.#isUnusable(answer);
    /** @type {Track} */
    const track = {
      id: ++this.#facesSeen,
      began: now,
      seen: now,
      lastBox: answer.box,
      box: [...answer.box],
      scores: this.#scores(answer),
      unusable: unusable ? 1 : 0,
      pictureReason: unusable ? answer.reason : null,
      label: null,
      recorded: -Infinity,
      looks: [],
      looked: -Infinity,
      lastLook: null,
    };
    track.label = this.#chosen(track);
    return track;
  }

  /** @param {Track} track @param {LocatedAnswer} answer @param {number} now */
  #follow(track, answer, now) {
    const { smoothing, box_smoothing } = this.constants.TRACKER;
    const elapsed = now - track.seen;
    track.seen = now;
    track.lastBox = answer.box;
    const unusable = this.#isUnusable(answer);
    const ofBox = share(elapsed, box_smoothing);
    const ofAnswer = share(elapsed, smoothing);
    track.box = /** @type {Box} */ (track.box.map((value, index) => value + ofBox * (answer.box[index] - value)));
    track.unusable += ofAnswer * ((unusable ? 1 : 0) - track.unusable);
    if (unusable) track.pictureReason = answer.reason;
    else {
      const scores = this.#scores(answer);
      track.scores = track.scores.map((value, index) => value + ofAnswer * (scores[index] - value));
    }
    track.label = this.#chosen(track);
    return track;
  }

  /**
   * Give new faces the numbers of those gone that they look like, the most alike first.
   * @param {Track[]} current @param {(Float32Array | null)[]} looks @param {number} now
   */
  #knowAgain(current, looks, now) {
    const { STRANGE, KNOWN } = this.constants.TRACKER;
    /** @type {{ alike: number, track: Track, old: Track }[]} */
    const pairs = [];
    current.forEach((track, index) => {
      const seen = looks[index];
      if (!seen || now - track.began > STRANGE) return;
      for (const old of this.#gone) pairs.push({ alike: mostAlike(seen, old.looks), track, old });
    });
    pairs.sort((one, other) => other.alike - one.alike);
    for (const { alike, track, old } of pairs) {
      if (alike < KNOWN) break;
      // A face that was there at the same time is another person's.
      if (this.#gone.includes(old) && track.began > old.seen) {
        this.#gone = this.#gone.filter((other) => other !== old);
        this.#rename(track, old);
      }
    }
    this.#tracks.sort((one, other) => one.id - other.id);
  }

  /** @param {Track} track @param {Track} old */
  #rename(track, old) {
    if (track.id === this.#facesSeen) this.#facesSeen--;
    this.changes++;
    this.#moments = this.#moments.map((moment) =>
      moment.face.id === track.id ? { ...moment, face: { ...moment.face, id: old.id } } : moment,
    );
    // It began when the other did, so it is not strange any more.
    Object.assign(track, { id: old.id, began: old.began, looks: old.looks, looked: old.looked });
  }

  /** Whether a face in its place must be another person's. @param {Track} track @param {Float32Array | null} seen @param {number} now */
  #isUnlike({ began, looks, lastLook }, seen, now) {
    const { STRANGE, UNLIKE } = this.constants.TRACKER;
    return !!seen && !!lastLook && now - began > STRANGE && mostAlike(seen, [...looks, lastLook]) < UNLIKE;
  }

  /** Keep the last look and a few others, the oldest of them going first. @param {Track} track @param {Float32Array | null} seen @param {number} now */
  #remember(track, seen, now) {
    const { LOOKS, LOOKS_APART } = this.constants.TRACKER;
    track.lastLook = seen;
    if (!seen || now - track.looked < LOOKS_APART) return;
    track.looks = [...track.looks, seen].slice(-LOOKS);
    track.looked = now;
  }

  /** Undo the display's renormalisation, so that a neutral moment pulls every label down. @param {LocatedAnswer} answer */
  #scores({ probabilities, confidence }) {
    const shown = this.model.labels.map((label) => probabilities[label]);
    const highest = Math.max(...shown);
    return shown.map((value) => (value * confidence) / highest);
  }

  /** @param {Track} track */
  #chosen({ scores, unusable, label }) {
    const { labels, threshold } = this.model;
    const { margin } = this.constants.TRACKER;
    if (unusable > 0.5) return null;
    const highest = Math.max(...scores);
    if (label !== null) {
      const current = scores[labels.indexOf(label)];
      if (current >= threshold - margin && highest - current <= margin) return label;
    }
    return highest >= threshold ? labels[scores.indexOf(highest)] : null;
  }

  /** @param {Track} track @returns {TrackedFace} */
  #snapshot({ id, box, scores, unusable, pictureReason, label }) {
    const { LEAST_PROBABILITY, NEUTRAL_OR_MIXED } = this.constants;
    return {
      id,
      box: /** @type {Box} */ (box.map(roundEven)),
      probabilities: renormalised(scores, this.model.labels, LEAST_PROBABILITY),
      confidence: Math.max(...scores),
      label,
      reason: label !== null ? null : unusable > 0.5 ? pictureReason : NEUTRAL_OR_MIXED,
    };
  }

  /** Whether there is a reason that is about the picture rather than the expression. @param {LocatedAnswer} answer */
  #isUnusable({ reason }) {
    return reason !== null && reason !== this.constants.NEUTRAL_OR_MIXED;
  }
}

/** How much a face looks like the most alike of these looks, -1 to 1. @param {Float32Array} seen @param {Float32Array[]} looks */
function mostAlike(seen, looks) {
  return Math.max(-1, ...looks.map((known) => likeness(seen, known)));
}

/**
 * How far a value moves towards a new one in the elapsed seconds, 0..1, at any frame rate.
 * @param {number} elapsed @param {number} timeConstant seconds
 */
function share(elapsed, timeConstant) {
  return timeConstant <= 0 ? 1 : 1 - Math.exp(-elapsed / timeConstant);
}

/**
 * Pair boxes, nearest first, by centre distance in face sizes.
 * @param {Box[]} known @param {Box[]} found @param {Constants} constants
 * @returns {Map<number, number>} index in found: index in known
 */
function matches(known, found, { TRACKER: { NEAREST, SCALE } }) {
  /** @type {[number, number, number][]} */
  const pairs = [];
  found.forEach((box, index) =>
    known.forEach((other, old) => {
      const sizes = [box, other].map(([, , width, height]) => Math.sqrt(Math.max(width * height, 1)));
      const [smaller, larger] = [Math.min(...sizes), Math.max(...sizes)];
      const distance = Math.hypot(middle(box, 0) - middle(other, 0), middle(box, 1) - middle(other, 1)) / larger;
      if (distance <= NEAREST && larger / smaller <= SCALE) pairs.push([distance, index, old]);
    }),
  );
  pairs.sort((one, other) => one[0] - other[0] || one[1] - other[1] || one[2] - other[2]);
  /** @type {Map<number, number>} */
  const result = new Map();
  const taken = new Set();
  for (const [, index, old] of pairs)
    if (!result.has(index) && !taken.has(old)) {
      result.set(index, old);
      taken.add(old);
    }
  return result;
}

/** The middle of a box along an axis, 0 or 1. @param {Box} box @param {number} axis */
function middle(box, axis) {
  return box[axis] + box[axis + 2] / 2;
}
