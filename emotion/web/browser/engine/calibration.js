// From a network's outputs to the probabilities that people see; see emotion/predictions/calibration.py.

/** @import { Constants, Model } from "./constants.js" */

/**
 * What one face shows.
 * @typedef {object} Answer
 * @property {string | null} label null when the model is not sure
 * @property {number} confidence 0..1: how likely the best label is right, and that the face shows one of them at all
 * @property {Record<string, number>} probabilities one per label, summing to 1
 * @property {string | null} reason why the label is null
 */

/**
 * @param {ArrayLike<number>} raw softmax of the network, labels first
 * @param {Model} model @param {Constants} constants
 * @param {number} faceLikelihood 0..1: how likely it is a face
 * @returns {Answer}
 */
export function calibrated(raw, model, constants, faceLikelihood) {
  const least = constants.LEAST_PROBABILITY;
  const logits = Array.from(raw, (value) => Math.log(Math.max(value, least)) / model.temperature);
  const highest = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - highest));
  const all = sum(powers);
  const shares = powers.slice(0, model.labels.length).map((power) => power / all);
  const weighed = shares.map((share, index) => share * model.labelWeights[index]);
  const best = weighed.indexOf(Math.max(...weighed));
  const confidence = shares[best] * faceLikelihood;
  const sure = confidence >= model.threshold;
  return {
    label: sure ? model.labels[best] : null,
    confidence,
    probabilities: renormalised(weighed, model.labels, least),
    reason: sure ? null : constants.NEUTRAL_OR_MIXED,
  };
}

/**
 * Scale the shares of the labels so that they sum to 1.
 * @param {number[]} shares @param {string[]} labels @param {number} least what a share of 0 counts as
 * @returns {Record<string, number>}
 */
export function renormalised(shares, labels, least) {
  const kept = shares.map((share) => Math.max(share, least));
  const all = sum(kept);
  return Object.fromEntries(labels.map((label, index) => [label, kept[index] / all]));
}

/** @param {number[]} values */
function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}
