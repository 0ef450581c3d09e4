async (camera) => {
  const find = (button) => document.querySelector(`${camera} ${button}`);
  // The page may draw the component once more meanwhile, so what was pressed is looked for again.
  for (let tries = 0; tries < 25 && !find(':is([aria-label="capture photo"], [aria-label="start recording"])'); tries++) {
    (find('[title="grant webcam access"] button') ?? find('[aria-label="Capture from camera"]'))?.click();
    await new Promise((resolve) => setTimeout(resolve, 400));
  }
}
