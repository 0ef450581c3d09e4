const home = new URL(`$${globalThis.gradio_config?.root ?? "."}/`, document.baseURI);
import(new URL(".$address/app/app.js", home))
  .then(({ startLive }) =>
    startLive({
      element,
      props,
      watch,
      frame: (frame) => trigger("frame", frame),
      moment: (moment) => trigger("moment", moment),
      onDevice: $on_device,
      minutes: $minutes,
    }),
  )
  .catch((error) => {
    element.querySelector("#live-where").textContent = `$${error}`;
  });
