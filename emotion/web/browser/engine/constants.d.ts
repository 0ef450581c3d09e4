// What emotion/web/browser/constants.py writes: every number is owned by the Python module that it comes from.

/** How candidates in doubt are judged; see `Doubt` in emotion/vision/faces.py. */
export interface Doubt {
  /** Pixels; null stands for no limit. */
  sides: [number, number | null];
  possible: number;
  angles: number[];
  confirmed: number;
}

/** The arguments of `FaceTracker`, and what stands above it. */
export interface TrackerConstants {
  smoothing: number;
  box_smoothing: number;
  timeout: number;
  memory: number;
  margin: number;
  history: number;
  history_step: number;
  NEAREST: number;
  SCALE: number;
  UNLIKE: number;
  KNOWN: number;
  STRANGE: number;
  LOOKS: number;
  LOOKS_APART: number;
  MISSED_FRAMES: number;
}

export interface Constants {
  FRAME_SIDE: number;
  FRAME_DROP: number;
  LEAST_ROLL: number;
  MOST_ROLL: number;
  ROLL_PER_EYES: number;
  MOST_REDUCTION: number;
  CANVAS_STEP: number;
  OVERLAP: number;
  KEPT_PIXELS: number;
  SEARCH_SIDE: number;
  FINE_SIDE: number;
  FINE_PIXELS: number;
  PIECE_MARGIN: number;
  SURE: number;
  MOST_DOUBTS: number;
  CLOSE_SIDES: [number, number];
  CLOSE_REACH: number;
  DOUBT_WEIGHT: number;
  CLOSE_SHIFT: number;
  SMALL: Doubt;
  LARGE: Doubt;
  TIGHT_OVERLAP: number;
  TIGHT_MARGIN: number;
  TIGHT_SCORE: number;
  MOST_FACES: number;
  MAX_PIXELS: number;
  MAX_SIDE: number;
  REDUCE_ABOVE: number;
  SEARCHED_SIDE: number;
  SMALLEST_FACE: number;
  THING: number;
  FACE: number;
  LEAST_SHARPNESS: number;
  JUDGED_SIDE: number;
  LEAST_PROBABILITY: number;
  NEUTRAL_OR_MIXED: string;
  LOOK: { SIDE: number; LIGHT: number; DARK: number };
  TRACKER: TrackerConstants;
}

/** What a page needs to know of a model beside its network. */
export interface Model {
  name: string;
  revision: string | null;
  labels: string[];
  outputs: number;
  size: number;
  channels: number;
  temperature: number;
  /** what the tempered probability of each label is multiplied by, to choose among them */
  labelWeights: number[];
  threshold: number;
}

/** `#rrggbb`, and black or white, which can be read on it. */
export interface Colour {
  background: string;
  text: string;
}

/** The content of engine.json. */
export interface Settings {
  constants: Constants;
  model: Model;
  /** Of every label. */
  colours: Record<string, Colour>;
  notSureColour: Colour;
  /** Of the lines of a chart, as SVG writes them. */
  dashes: string[];
  /** What a spreadsheet takes for the beginning of a formula. */
  formulaSigns: string[];
}
