const home = new URL(`$${globalThis.gradio_config?.root ?? "."}/`, document.baseURI);
import(new URL(".$address/app/zone.js", home)).then(({ startZone }) =>
  startZone({
    element,
    upload,
    given: (sources) => trigger("given", sources),
    holds: $holds,
    size: $size,
    most: $most,
    minutes: $minutes,
    megabytes: $megabytes,
  }),
);
