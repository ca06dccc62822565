"use strict";

// What the window shows while no daemon serves the page. The window program calls show, and goes on to the page by itself.
const words = { starting: "Starting Corral…", connected: "Opening the page…", away: "Corral is not running." };

function show(report) {
  const away = report.state === "away";
  document.getElementById("state").textContent = words[report.state];
  const why = document.getElementById("why");
  why.textContent = report.why ?? "";
  why.hidden = !report.why;
  document.getElementById("do").hidden = !away;
  document.getElementById("more").hidden = !away;
  if (away) document.getElementById("start").focus();
}

document.getElementById("start").addEventListener("click", () => window.runtime.EventsEmit("corral:start"));
