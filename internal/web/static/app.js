// What the pages add where scripts run: copy buttons, local time in tooltips, and an honest word on
// whether the page is live. Everything else is htmx by attributes; without any of it the pages work.
(() => {
  "use strict";

  const say = (text, state) => {
    const stream = document.getElementById("stream");
    if (!stream || (stream.dataset.state === state && stream.textContent === text)) return;
    stream.dataset.state = state;
    stream.textContent = text;
  };

  // The stream: who follows it must know when it is broken.
  const isStream = (event) => event.target instanceof Element && event.target.id === "stream";
  let tries = 0; // since the last connection
  const down = (status) => {
    tries += 1;
    if (status === 401) say("Signed out: reload to sign in", "down");
    else say("Not live: connection lost, retrying", "down");
  };
  document.addEventListener("htmx:sse:after:connection", (e) => { if (isStream(e)) { tries = 0; say("Live", "live"); } });
  document.addEventListener("htmx:sse:error", (e) => { if (isStream(e)) down(e.detail && e.detail.status); });
  document.addEventListener("htmx:sse:before:connection", (e) => {
    if (isStream(e) && e.detail.connection.attempt > 0 && !document.hidden) down();
  });
  // htmx comes back by itself once it was connected; the very first try is repeated here.
  const again = (e) => {
    if (!isStream(e)) return;
    const status = e.detail && e.detail.ctx && e.detail.ctx.response && e.detail.ctx.response.status;
    down(status);
    if (status === 401) return;
    setTimeout(() => htmx.trigger(e.target, "reconnect"), Math.min(30000, 1000 * 2 ** tries));
  };
  document.addEventListener("htmx:response:error", again);
  document.addEventListener("htmx:error", again);

  // A piece of the page that did not come is told where the page has a place for that.
  const lost = document.getElementById("lost");
  const missed = (is) => (e) => { if (lost && !isStream(e)) lost.hidden = !is; };
  document.addEventListener("htmx:error", missed(true));
  document.addEventListener("htmx:response:error", missed(true));
  document.addEventListener("htmx:after:swap", missed(false));

  // Dates in the reader's own time, besides UTC.
  const localTimes = (root) => {
    for (const t of root.querySelectorAll("time[datetime]")) {
      t.title = new Date(t.dateTime).toLocaleString() + " (your time)";
    }
  };

  const reveal = (root) => { for (const b of root.querySelectorAll("button[data-copy]")) b.hidden = !navigator.clipboard; };

  document.addEventListener("click", async (e) => {
    const button = e.target instanceof Element && e.target.closest("button[data-copy]");
    if (!button) return;
    const source = document.getElementById(button.dataset.copy);
    if (!source) return;
    const label = button.textContent;
    try {
      await navigator.clipboard.writeText(source.textContent.trim());
      button.textContent = "Copied";
    } catch {
      button.textContent = "Copying was refused";
    }
    setTimeout(() => { button.textContent = label; }, 2000);
  });

  document.addEventListener("click", (e) => {
    const button = e.target instanceof Element && e.target.closest("button[data-fold]");
    if (!button) return;
    for (const d of document.querySelectorAll("#tree details")) d.open = button.dataset.fold === "open";
  });

  // The explorer's tree scrolls by itself: what is looked at is brought into it.
  const reach = () => {
    const tree = document.getElementById("places"), here = tree && tree.querySelector("[aria-current]");
    if (here) tree.scrollTop += here.getBoundingClientRect().top - tree.getBoundingClientRect().top - tree.clientHeight / 2;
  };

  // Keys of the explorer: arrows walk in its tree of links, the slash goes to the search.
  const walk = (e) => {
    const here = e.target instanceof Element && e.target.closest("#places a");
    if (!here || e.ctrlKey || e.metaKey || e.altKey) return;
    const all = [...document.querySelectorAll("#places a:not(.inline)")], i = all.indexOf(here);
    const above = here.closest("ul").closest("li"), below = here.parentElement.querySelector(":scope > ul a");
    const to = { ArrowDown: all[i + 1], ArrowUp: all[i - 1], Home: all[0], End: all[all.length - 1], ArrowLeft: above && above.querySelector("a"), ArrowRight: below }[e.key];
    if (to) to.focus();
    else if (e.key === "ArrowRight") here.click();
    else if (!e.key.startsWith("Arrow")) return;
    e.preventDefault();
  };
  document.addEventListener("keydown", (e) => {
    walk(e);
    const field = document.getElementById("q");
    if (e.key !== "/" || !field || e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input, textarea, select")) return;
    e.preventDefault();
    field.focus();
  });

  const dress = () => { localTimes(document); reveal(document); };
  document.addEventListener("DOMContentLoaded", () => {
    dress();
    reach();
    for (const b of document.querySelectorAll("button[data-fold]")) b.hidden = false;
  });
  document.addEventListener("htmx:after:swap", dress);
})();
