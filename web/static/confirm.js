"use strict";
/* Escape takes back the wish to do what must be confirmed, and leads back to where it was asked. */
document.addEventListener("keydown", ({ key }) => {
  if (key !== "Escape") return;
  for (const asked of document.querySelectorAll("details.confirm[open]")) {
    asked.open = false;
    asked.querySelector("summary").focus();
  }
});
