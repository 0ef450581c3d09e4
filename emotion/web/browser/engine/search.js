// Where the faces are, as emotion/vision/faces.py finds them: one look at a moderate size, and closer looks at
// what that leaves in doubt. The figures behind each constant stand there.

import { cutAround, frame } from "./crop.js";
import { COLUMNS, LANDMARKS, SCORE, intersection, moved, overlap, sideOf, suppress } from "./detections.js";
import { part, roundEven, scaledSize } from "./picture.js";
import { CUBIC, LINEAR, resize, resizeReduced } from "./resize.js";
import { linear, rotate } from "./rotate.js";

/**
 * @import { Picture, Point } from "./picture.js"
 * @import { Detection } from "./detections.js"
 * @import { Detector } from "./detector.js"
 * @import { Constants, Doubt } from "./constants.js"
 * @import { Place } from "./crop.js"
 */

// Grey levels, where a turned close-up has no pixels.
const OUTSIDE = 128;

export class Search {
  /** @param {Detector} detector @param {Constants} constants */
  constructor(detector, constants) {
    this.detector = detector;
    this.constants = constants;
  }

  /**
   * The faces in a picture, largest first. A picture that was cropped to one face is taken whole.
   * @param {Picture} picture RGB or RGBA
   * @returns {Promise<Place[]>}
   */
  async inPicture(picture) {
    let found = await this.#judged(picture, await this.#firstLook(picture));
    if (found.length !== 1) found = found.concat(await this.#judged(picture, await this.#fineLook(picture)));
    const faces = this.#faces(found, picture);
    if (faces.length) return faces;
    const whole = await this.#tightFace(picture);
    return whole ? [whole] : [];
  }

  /**
   * The faces in a frame of a camera, by the first look alone: a face missed in one frame is usually found in the
   * next.
   * @param {Picture} picture RGB or RGBA
   */
  async inFrame(picture) {
    return this.#faces(await this.#judged(picture, await this.#firstLook(picture)), picture);
  }

  /** @param {Detection[]} found @param {Picture} picture */
  #faces(found, picture) {
    const largest = this.#largestFirst(found).slice(0, this.constants.MOST_FACES);
    return largest.map((face) => this.#wholeIfTight(placeOf(face), picture));
  }

  /** Candidates in the whole picture at a moderate size, best first. @param {Picture} picture */
  async #firstLook(picture) {
    const { SEARCH_SIDE, LARGE } = this.constants;
    const factor = Math.min(1, SEARCH_SIDE / Math.max(picture.width, picture.height));
    const [width, height] = scaledSize(picture, factor);
    const seen = await this.detector.findSampled(picture, width, height, LARGE.possible);
    return seen.map((face) => moved(face, 1 / factor));
  }

  /** The same in the enlarged or full picture, piece by piece. @param {Picture} picture */
  async #fineLook(picture) {
    const { FINE_SIDE, FINE_PIXELS, SMALL, OVERLAP } = this.constants;
    const { width, height } = picture;
    const enlarged = Math.min(FINE_SIDE / Math.max(width, height), Math.sqrt(FINE_PIXELS / (width * height)));
    const factor = Math.max(1, enlarged);
    let scaled = picture;
    if (factor > 1) scaled = resize(part(picture, 0, 0, width, height), ...scaledSize(picture, factor), LINEAR);
    /** @type {Detection[]} */
    const found = [];
    for (const [top, bottom] of this.#pieces(scaled.height))
      for (const [left, right] of this.#pieces(scaled.width)) {
        const piece = part(scaled, left, top, right - left, bottom - top);
        const seen = await this.detector.find(piece, SMALL.possible);
        found.push(...seen.map((face) => moved(face, 1, left, top)));
      }
    return suppress(found, OVERLAP).map((face) => moved(face, 1 / factor));
  }

  /** The fewest pieces of one size, from and to; neighbours share a margin. @param {number} length */
  #pieces(length) {
    const { PIECE_MARGIN, FINE_SIDE } = this.constants;
    const count = Math.max(1, Math.ceil((length - PIECE_MARGIN) / (FINE_SIDE - PIECE_MARGIN)));
    const piece = Math.ceil((length + (count - 1) * PIECE_MARGIN) / count);
    return Array.from({ length: count }, (_, number) => {
      const start = roundEven((number * (length - piece)) / Math.max(count - 1, 1));
      return [start, start + piece];
    });
  }

  /**
   * The faces among candidates; close looks decide where in doubt.
   * @param {Picture} picture @param {Detection[]} candidates best first
   */
  async #judged(picture, candidates) {
    const { SURE, SMALL, LARGE, MOST_DOUBTS } = this.constants;
    const found = candidates.filter((face) => face[SCORE] >= SURE);
    for (const doubt of [SMALL, LARGE]) {
      const [least, most] = doubt.sides;
      const doubtful = candidates.filter((face) => {
        const [side, score] = [Math.fround(sideOf(face)), face[SCORE]];
        return side >= least && side < (most ?? Infinity) && score < SURE && score >= doubt.possible;
      });
      for (const candidate of doubtful.slice(0, MOST_DOUBTS)) {
        const seen = await this.#closeLook(picture, candidate, doubt);
        if (seen[SCORE] >= doubt.confirmed) found.push(seen);
      }
    }
    return found;
  }

  /**
   * Sort detections, without those seen twice and those seen in the features of a larger face.
   * @param {Detection[]} faces
   */
  #largestFirst(faces) {
    const sorted = suppress(faces, this.constants.OVERLAP).sort((one, other) => sideOf(other) - sideOf(one));
    /** @type {Detection[]} */
    const kept = [];
    for (const face of sorted)
      if (!kept.some((larger) => intersection(face, larger) > 0.5 * face[2] * face[3])) kept.push(face);
    return kept;
  }

  /**
   * Cut out what surrounds a candidate; the best of the mean detections at some angles.
   * @param {Picture} picture @param {Detection} candidate @param {Doubt} doubt
   */
  async #closeLook(picture, candidate, doubt) {
    const { CLOSE_REACH, CLOSE_SIDES, DOUBT_WEIGHT } = this.constants;
    const [x, y, width, height] = candidate;
    const reach = (CLOSE_REACH / 2) * sideOf(candidate);
    const factor = Math.max(1, Math.trunc((2 * reach) / CLOSE_SIDES[1]));
    const { region, left, top } = cutAround(picture, [x + width / 2, y + height / 2], reach, factor);
    const closeUps = CLOSE_SIDES.map((side) => () => resizeReduced(region, side, side, LINEAR, 2)).map(once);
    // What a close look must score, or else the other one cannot make up for it.
    const least = (DOUBT_WEIGHT + 2) * doubt.confirmed - DOUBT_WEIGHT * candidate[SCORE] - 1;
    /** @type {Detection} */
    let best = new Float32Array(COLUMNS);
    for (const angle of doubt.angles) {
      const seen = await this.#turnedLook(closeUps, angle, candidate[SCORE], least);
      if (seen[SCORE] > best[SCORE]) best = seen;
    }
    return moved(best, factor * region.width, left, top);
  }

  /**
   * Detect the face in the middle of close-ups after turning them counter-clockwise: the mean in sides of the
   * close-up; or all 0 if one scores less than `least`.
   * @param {(() => Picture)[]} closeUps of each size
   * @param {number} angle degrees
   * @param {number} score that left the doubt
   * @param {number} least
   * @returns {Promise<Detection>}
   */
  async #turnedLook(closeUps, angle, score, least) {
    const { CLOSE_REACH, CLOSE_SHIFT, DOUBT_WEIGHT, ROLL_PER_EYES } = this.constants;
    const seen = [];
    for (const closeUp of closeUps) {
      const picture = closeUp();
      const side = picture.width;
      const turned = angle ? rotate(picture, angle, [side / 2, side / 2], linear, OUTSIDE) : picture;
      const found = (await this.detector.find(turned, least))
        .map((face) => moved(face, 1 / side))
        .filter(([x, y, width, height]) => {
          const away = Math.hypot(x + width / 2 - 0.5, y + height / 2 - 0.5);
          return CLOSE_REACH * away < CLOSE_SHIFT;
        });
      if (!found.length) return new Float32Array(COLUMNS);
      seen.push(found[0]);
    }
    // How far a blurred head leans is seen from further away: the landmarks are those of the first look.
    const face = Float32Array.from(seen[0]);
    for (let column = 0; column < SCORE; column++)
      face[column] = Math.fround(seen[0][column] + seen[1][column]) / 2;
    face[SCORE] = (DOUBT_WEIGHT * score + seen[0][SCORE] + seen[1][SCORE]) / (DOUBT_WEIGHT + 2);
    const [centreX, centreY] = [Math.fround(face[0] + face[2] / 2), Math.fround(face[1] + face[3] / 2)];
    const [uprightX, uprightY] = rotated([centreX, centreY], angle, 0.5);
    face[0] += uprightX - centreX;
    face[1] += uprightY - centreY;
    for (let column = LANDMARKS; column < COLUMNS; column += 2) {
      // As far as the detector would have seen the head roll: `roll` makes up for what it misses.
      const landmark = /** @type {Point} */ ([face[column] - centreX, face[column + 1] - centreY]);
      const [x, y] = rotated(landmark, angle / ROLL_PER_EYES, 0);
      face[column] = x + uprightX;
      face[column + 1] = y + uprightY;
    }
    return face;
  }

  /**
   * Take a picture in which no face was found for a tight face crop; null if it does not look like one.
   * @param {Picture} picture
   */
  async #tightFace(picture) {
    const { CLOSE_SIDES, TIGHT_MARGIN, TIGHT_SCORE } = this.constants;
    const side = CLOSE_SIDES[1];
    const factor = side / Math.max(picture.width, picture.height) / (1 + 2 * TIGHT_MARGIN);
    const [width, height] = scaledSize(picture, factor);
    const colours = part(picture, 0, 0, picture.width, picture.height);
    const scaled = resizeReduced(colours, width, height, CUBIC, 1);
    const { region, left, top } = cutAround(scaled, [width / 2, height / 2], side / 2);
    for (const candidate of await this.detector.find(region, TIGHT_SCORE)) {
      const found = placeOf(moved(moved(candidate, 1, left, top), 1 / factor));
      const face = this.#wholeIfTight(found, picture);
      if (face.tight) return face;
    }
    return null;
  }

  /**
   * Take the whole picture where a face's frame is about the picture: it was cropped before.
   * @param {Place} face @param {Picture} picture
   * @returns {Place}
   */
  #wholeIfTight(face, { width, height }) {
    const whole = /** @type {[number, number, number, number]} */ ([0, 0, width, height]);
    if (overlap(frame(face.box, this.constants), whole) < this.constants.TIGHT_OVERLAP) return face;
    return { box: whole, eyes: face.eyes, tight: true, score: face.score };
  }
}

/**
 * @param {Detection} detection
 * @returns {Place}
 */
function placeOf(detection) {
  const [x, y, width, height] = detection;
  const [left, top] = [roundEven(x), roundEven(y)];
  return {
    box: [left, top, Math.max(1, roundEven(x + width) - left), Math.max(1, roundEven(y + height) - top)],
    eyes: [
      [detection[5], detection[6]],
      [detection[7], detection[8]],
    ],
    tight: false,
    score: detection[SCORE],
  };
}

/**
 * Rotate a point, x right and y down, clockwise about (middle, middle).
 * @param {Point} point @param {number} degrees @param {number} middle
 * @returns {Point}
 */
function rotated([x, y], degrees, middle) {
  const sine = Math.sin((degrees * Math.PI) / 180);
  const cosine = Math.cos((degrees * Math.PI) / 180);
  const [across, down] = [x - middle, y - middle];
  return [across * cosine - down * sine + middle, across * sine + down * cosine + middle];
}

/**
 * @template T
 * @param {() => T} make
 * @returns {() => T} which makes it the first time only
 */
function once(make) {
  /** @type {T | undefined} */
  let made;
  return () => (made ??= make());
}
