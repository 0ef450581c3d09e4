async () => {
  const player = document.querySelector("[data-result]");
  if (!player) return;
  const { result, failed } = player.dataset;
  player.removeAttribute("data-result");
  const answer = await fetch(`${window.gradio_config?.root ?? ""}/result/${result}`).catch(() => null);
  if (!answer?.ok) {
    player.replaceWith(failed);
    return;
  }
  URL.revokeObjectURL(window.emotionResult);
  window.emotionResult = URL.createObjectURL(await answer.blob());
  player.src = window.emotionResult;
  const link = player.parentElement.querySelector("a[download]");
  link.href = window.emotionResult;
  link.hidden = false;
}
