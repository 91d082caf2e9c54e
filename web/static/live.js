"use strict";
/* Keeps the parts of a page that change (`data-every`, seconds) as they are now. One stream says
   when one of them has changed. Each also asks by itself: seldom while the stream is open or nobody
   looks, else as often as it says. */
(() => {
  const SELDOM_SECONDS = 15;
  const REFUSED_SECONDS = 30;
  const { source } = document.currentScript.dataset;
  const asked = new Map();
  let stream = null;
  let watched = [];
  let open = false;
  let refusedAt = -Infinity;

  const now = () => performance.now() / 1000;
  const begun = now();
  const parts = () => Array.from(document.querySelectorAll("[data-every]"));
  const address = (part) => part.getAttribute("hx-get");

  const ask = (part) => {
    asked.set(address(part), now());
    htmx.trigger(part, "live");
  };

  const close = () => {
    stream?.close();
    [stream, watched, open] = [null, [], false];
  };

  const connect = (addresses) => {
    const query = new URLSearchParams(addresses.map((one) => ["part", one]));
    stream = new EventSource(`${source}?${query}`);
    watched = addresses;
    stream.addEventListener("open", () => { open = true; });
    stream.addEventListener("changed", ({ data }) => {
      const changed = addresses[Number(data)];
      parts().filter((part) => address(part) === changed).forEach(ask);
    });
    stream.addEventListener("error", () => {
      open = false; /* It comes back by itself, unless it was refused. */
      if (stream?.readyState !== EventSource.CLOSED) return;
      refusedAt = now();
      close();
    });
  };

  const look = () => {
    const here = parts();
    const wanted = document.hidden ? [] : here.map(address);
    if (String(wanted) !== String(watched)) close();
    if (wanted.length && !stream && now() - refusedAt >= REFUSED_SECONDS) connect(wanted);
    for (const part of here) {
      const every = open || document.hidden ? SELDOM_SECONDS : Number(part.dataset.every);
      if (now() - (asked.get(address(part)) ?? begun) >= every) ask(part);
    }
  };

  document.addEventListener("visibilitychange", look);
  setInterval(look, 500);
  look();
})();
