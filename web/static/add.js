"use strict";
/* The file input works by itself, also for files that are dropped on it; this makes the whole area
   take them, and lists what was chosen. */
const area = document.querySelector("[data-drop]");
if (area) {
  const input = area.querySelector("input[type=file]");
  const list = area.querySelector("[data-chosen]");
  const size = (bytes) => {
    const units = ["bytes", "KiB", "MiB", "GiB"];
    let unit = 0;
    while (bytes >= 1024 && unit < units.length - 1) { bytes /= 1024; unit += 1; }
    return `${unit ? bytes.toFixed(1) : bytes} ${units[unit]}`;
  };
  const show = () => {
    list.replaceChildren(...Array.from(input.files, (file) => {
      const item = document.createElement("li");
      for (const words of [file.name, size(file.size)]) {
        const part = document.createElement("span");
        part.dir = "auto";
        part.textContent = words;
        item.append(part);
      }
      return item;
    }));
    list.hidden = !input.files.length;
  };
  input.addEventListener("change", show);
  for (const kind of ["dragenter", "dragover"]) {
    area.addEventListener(kind, (event) => { event.preventDefault(); area.classList.add("over"); });
  }
  for (const kind of ["dragleave", "drop"]) {
    area.addEventListener(kind, () => area.classList.remove("over"));
  }
  area.addEventListener("drop", (event) => {
    if (event.target === input) return;
    event.preventDefault();
    if (event.dataTransfer.files.length) { input.files = event.dataTransfer.files; show(); }
  });
  show();
}
