// Scores of face-api.js for plain face crops.
// node face_api.cjs PACKAGES FACES SIZE SCORES: reads uint8 grey faces (n, SIZE, SIZE) from the file FACES,
// writes {labels, scores, seconds_per_face} as JSON to the file SCORES. PACKAGES is the node_modules folder.
const fs = require("fs");
const path = require("path");

const [packages, facesFile, sizeText, scoresFile] = process.argv.slice(2);
const load = (name) => require(path.join(packages, name));
const tf = load("@tensorflow/tfjs");
const wasm = load("@tensorflow/tfjs-backend-wasm");
const faceapi = load("@vladmandic/face-api/dist/face-api.node-wasm.js");

const EXPRESSIONS = { angry: "angry", happy: "happy", sad: "sad" };

async function main() {
  wasm.setThreadsCount(1);
  wasm.setWasmPaths(path.join(packages, "@tensorflow/tfjs-backend-wasm/dist/"));
  await tf.setBackend("wasm");
  await tf.ready();
  const net = faceapi.nets.faceExpressionNet;
  await net.loadFromDisk(path.join(packages, "@vladmandic/face-api/model"));

  const size = Number(sizeText);
  const pixels = new Uint8Array(fs.readFileSync(facesFile));
  const faces = pixels.length / (size * size);
  const predict = async (index) => {
    const grey = tf.tensor(pixels.subarray(index * size * size, (index + 1) * size * size), [size, size, 1], "int32");
    const face = tf.tile(grey, [1, 1, 3]);
    const expressions = await net.predictExpressions(face);
    tf.dispose([grey, face]);
    return expressions;
  };
  for (let warmUp = 0; warmUp < 10; warmUp++) await predict(0);
  const scores = [];
  const times = [];
  for (let index = 0; index < faces; index++) {
    const start = process.cpuUsage();
    const expressions = await predict(index);
    const { user, system } = process.cpuUsage(start);
    times.push((user + system) / 1e6);
    scores.push(Object.values(EXPRESSIONS).map((name) => expressions[name]));
  }
  times.sort((a, b) => a - b);
  const result = { labels: Object.keys(EXPRESSIONS), scores, seconds_per_face: times[faces >> 1] };
  fs.writeFileSync(scoresFile, JSON.stringify(result));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
