// Files that are dropped or pasted anywhere in the window: elsewhere a browser would leave the page for them.

/** @param {(given: DataTransfer | null) => void} take */
export function onDrop(take) {
  addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dragging");
  });
  addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) document.body.classList.remove("dragging");
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dragging");
    take(event.dataTransfer);
  });
  addEventListener("paste", (event) => {
    // Text that is pasted into a field belongs there.
    if (event.target instanceof HTMLElement && event.target.matches("input:not([type=file]), textarea")) return;
    take(event.clipboardData);
  });
}
