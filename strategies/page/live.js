"use strict";
const at = id => document.getElementById(id);
let news = at("news").textContent;
const put = (part, html) => {
  const open = [...part.querySelectorAll("details")].map(each => each.open);
  const aside = [...part.querySelectorAll(".scroll")].map(each => each.scrollLeft);
  const stops = () => [...part.querySelectorAll("a, summary, [tabindex]")];
  const focused = stops().indexOf(document.activeElement);
  part.innerHTML = html;
  part.querySelectorAll("details").forEach((each, i) => { each.open = open[i] ?? false; });
  part.querySelectorAll(".scroll").forEach((each, i) => { each.scrollLeft = aside[i] ?? 0; });
  stops()[focused]?.focus({ preventScroll: true });
};
const link = (text, lost) => { at("link").textContent = text; at("link").className = lost ? "lost" : ""; };
const stream = new EventSource("changes");
stream.onmessage = event => {
  const change = JSON.parse(event.data);
  for (const [id, html] of Object.entries(change.parts)) put(at(`${id}-part`), html);
  at("time").textContent = change.time;
  news = change.news;
  link("It brings itself up to date.", false);
};
stream.onerror = () => link(
  stream.readyState === EventSource.CLOSED
    ? "No longer brought up to date: the command was started again; open the address that it printed."
    : "No longer brought up to date: the command that shows this page does not answer. Trying again.", true);
// Whoever listens to this page hears the latest line, and not every one of a quick study.
setInterval(() => { if (at("news").textContent !== news) at("news").textContent = news; }, 1000);
