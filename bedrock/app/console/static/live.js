// Keeps a page live: once a second the page is fetched again and what changed is written into the
// one on screen, node by node, so that selections, focus and scrolling stay as they are.
"use strict";

function morph(from, to) {
  if (from.nodeName !== to.nodeName || from.childNodes.length !== to.childNodes.length) {
    from.replaceWith(document.importNode(to, true));
    return;
  }
  if (from.nodeType !== Node.ELEMENT_NODE) {
    if (from.nodeValue !== to.nodeValue) from.nodeValue = to.nodeValue;
    return;
  }
  for (const { name, value } of to.attributes)
    if (from.getAttribute(name) !== value) from.setAttribute(name, value);
  for (const { name } of [...from.attributes])
    if (!to.hasAttribute(name)) from.removeAttribute(name);
  [...from.childNodes].forEach((child, at) => morph(child, to.childNodes[at]));
}

async function refresh() {
  if (!document.hidden) {
    try {
      const reply = await fetch(location.href);
      const page = new DOMParser().parseFromString(await reply.text(), "text/html");
      morph(document.querySelector("main"), page.querySelector("main"));
      document.body.classList.remove("stale");
    } catch {
      document.body.classList.add("stale");
    }
  }
  setTimeout(refresh, 1000);
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  button.classList.add("copied");
  setTimeout(() => button.classList.remove("copied"), 900);
});

setTimeout(refresh, 1000);
