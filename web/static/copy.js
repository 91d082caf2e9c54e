"use strict";

/* Buttons that copy an address or the text of an element. Without scripts they are not shown. */
document.documentElement.classList.add("scripted");
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy-address], [data-copy-from]");
  if (!button) return;
  const { copyAddress, copyFrom } = button.dataset;
  const text = copyFrom
    ? document.getElementById(copyFrom).textContent
    : new URL(copyAddress, location.href).href;
  const words = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not allowed here";
  }
  setTimeout(() => { button.textContent = words; }, 1500);
});
