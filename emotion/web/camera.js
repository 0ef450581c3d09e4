// The page has one camera at a time. It goes off when the visitor presses Stop, opens another tab or hides the page, and
// after so many minutes: the tracks end, and Gradio's component is drawn anew, because it would send frames all the same.
(() => {
  const MINUTES = $minutes;
  const WORDS = $words;
  if (!navigator.mediaDevices) {
    // Over plain HTTP there is none; Gradio's component would fail without a word.
    const none = { getUserMedia: () => Promise.reject(new DOMException('', 'NoDevices')), enumerateDevices: async () => [] };
    Object.defineProperty(navigator, 'mediaDevices', { value: none });
  }
  const devices = navigator.mediaDevices;
  const ask = devices.getUserMedia.bind(devices);
  let stream = null;
  let offs = 0;
  let timer;
  let pressed = null;

  function end() {
    clearTimeout(timer);
    stream?.getTracks().forEach((track) => track.stop());
    stream = null;
  }

  function off() {
    offs += 1;
    if (!stream) return;
    for (const video of document.querySelectorAll('video')) {
      if (video.srcObject !== stream) continue;
      video.srcObject = null; // no frame is taken any more
      document.getElementById(`$${video.closest('.block').id}-off`)?.click();
    }
    end();
  }

  function say(error) {
    // Beside the component whose button was pressed last.
    const block = pressed?.closest('.block');
    const alert = document.createElement('div');
    alert.className = 'em-hint em-problem em-camera';
    alert.setAttribute('role', 'alert');
    alert.textContent = (WORDS[error.name] ?? WORDS.other).replace('{reason}', error.message || error.name);
    block?.after(alert);
  }

  devices.getUserMedia = async (wish) => {
    end(); // a phone opens its second camera only after the first
    document.querySelectorAll('.em-camera').forEach((alert) => alert.remove());
    const before = offs;
    let opened;
    try {
      opened = await ask(wish);
    } catch (error) {
      say(error);
      return new Promise(() => {});
    }
    if (before !== offs) {
      // The visitor left while the browser asked for leave.
      opened.getTracks().forEach((track) => track.stop());
      return new Promise(() => {});
    }
    stream = opened;
    timer = setTimeout(off, MINUTES * 60_000);
    return opened;
  };

  document.addEventListener('visibilitychange', () => document.hidden && off());
  window.addEventListener('pagehide', off);
  document.addEventListener('emotion-tab', off);
  document.addEventListener('click', (event) => {
    pressed = event.target;
    const button = event.target.closest?.('button[aria-label="capture photo"]');
    // The component itself tells the server first.
    if (button?.querySelector('[title="stop recording"], [title="spinner"]')) setTimeout(off);
  }, true);
})();
