"use strict";
/* The file input works by itself, also for files that are dropped on it; this makes the whole area
   take them, beside those that are there, and lists what was chosen. */
const area = document.querySelector("[data-drop]");
if (area) {
  const input = area.querySelector("input[type=file]");
  const list = area.querySelector("[data-chosen]");
  const size = (bytes) => {
    const units = ["bytes", "kB", "MB", "GB"];
    let unit = 0;
    while (bytes >= 1000 && unit < units.length - 1) { bytes /= 1000; unit += 1; }
    return `${unit ? bytes.toFixed(1) : bytes} ${units[unit]}`;
  };
  const line = (...parts) => {
    const item = document.createElement("li");
    for (const words of parts) {
      const part = document.createElement("span");
      part.dir = "auto";
      part.textContent = words;
      item.append(part);
    }
    return item;
  };
  const show = (folders = []) => {
    list.replaceChildren(
      ...Array.from(input.files, (file) => line(file.name, size(file.size))),
      ...folders.map((name) => line(name, "a folder: choose it below")),
    );
    list.hidden = !list.children.length;
  };
  /* The last one of a name: it would replace the one before. */
  const together = (files) => {
    const named = new Map(files.map((file) => [file.name, file]));
    const all = new DataTransfer();
    named.forEach((file) => all.items.add(file));
    return all.files;
  };
  const folders = ({ items }) =>
    Array.from(items, (item) => item.webkitGetAsEntry?.())
      .filter((entry) => entry?.isDirectory)
      .map((entry) => entry.name);

  input.addEventListener("change", () => show());
  for (const kind of ["dragenter", "dragover"]) {
    area.addEventListener(kind, (event) => { event.preventDefault(); area.classList.add("over"); });
  }
  area.addEventListener("dragleave", (event) => {
    if (!area.contains(event.relatedTarget)) area.classList.remove("over");
  });
  area.addEventListener("drop", (event) => {
    event.preventDefault();
    area.classList.remove("over");
    const dropped = event.dataTransfer;
    const left = folders(dropped);
    const files = Array.from(dropped.files).filter((file) => !left.includes(file.name));
    input.files = together([...input.files, ...files]);
    show(left);
  });
  show();
}
