"use strict";

// The code of a one-time link comes after the #, which no browser sends. It leaves the address bar and the history before
// it is used.
async function login() {
  const code = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  if (code) {
    const res = await fetch("/control/v1/session", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ code }) });
    if (!res.ok) return (await res.json()).detail;
  } else if (!(await (await fetch("/control/v1/session")).json()).authenticated) {
    return "Run `corral ui` in a terminal on Corral's machine: it makes a link that logs this browser in.";
  }
  location.replace("/ui/");
}

function run() {
  const how = document.getElementById("how");
  login().then((refused) => { if (refused) how.textContent = refused; }, () => { how.textContent = "Corral does not answer."; });
}

addEventListener("hashchange", run); // another link, opened in this tab
run();
