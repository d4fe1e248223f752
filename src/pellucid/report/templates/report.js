"use strict";
(function () {
  const all = (selector, root) => Array.from((root || document).querySelectorAll(selector));
  const one = (selector, root) => (root || document).querySelector(selector);
  const page = JSON.parse(one("#pictures").textContent);

  // Findings: which are shown.
  const filter = one(".filter");
  const boxes = filter ? all("input", filter) : [];
  const choices = all(".choice select");

  function show() {
    const verdicts = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    const findings = all(".finding");
    let shown = 0;
    for (const finding of findings) {
      const select = one(".choice select", finding.parentElement);
      const chosen = !select || select.value === "" || select.value === finding.id;
      finding.hidden = !(chosen && (boxes.length === 0 || verdicts.has(finding.dataset.verdict)));
      shown += finding.hidden ? 0 : 1;
      const link = one('[data-for="' + finding.id + '"]');
      if (link) link.hidden = finding.hidden;
    }
    for (const none of all(".none")) none.hidden = one(".finding:not([hidden])", none.parentElement) !== null;
    const status = filter && one("[role=status]", filter);
    if (status) status.textContent = shown === findings.length ? "" : shown + " of " + findings.length + " findings are shown.";
  }

  for (const box of boxes) box.addEventListener("change", show);
  for (const select of choices) {
    select.addEventListener("change", show);
    select.closest(".choice").hidden = false;
  }
  if (filter) filter.hidden = false;

  // A link to a hidden finding shows it again.
  addEventListener("hashchange", () => {
    const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    if (!target || !target.hidden) return;
    for (const box of boxes) box.checked = true;
    for (const select of choices) select.value = "";
    show();
    target.scrollIntoView();
  });
  addEventListener("beforeprint", () => all("details").forEach((details) => { details.open = true; }));

  // Tooltips: text only, never markup.
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  document.body.append(tip);

  function tooltip(handler, event, item, value) {
    tip.hidden = value === null || value === undefined || value === "";
    if (tip.hidden) return;
    const lines = typeof value === "object" ? Object.entries(value) : [["", value]];
    tip.replaceChildren(...lines.map(([name, text]) => {
      const line = document.createElement("div");
      const label = document.createElement("span");
      const strong = document.createElement("b");
      label.textContent = name;
      strong.textContent = String(text);
      line.append(...(name ? [label, strong] : [strong]));
      return line;
    }));
    const box = tip.getBoundingClientRect();
    tip.style.left = Math.max(4, Math.min(event.clientX + 14, innerWidth - box.width - 8)) + "px";
    tip.style.top = (event.clientY + box.height + 22 > innerHeight ? event.clientY - box.height - 12 : event.clientY + 14) + "px";
  }

  // Pictures: the drawing library is unpacked when the first picture comes near; without it the still ones stay.
  let library = null;

  function load() {
    library = library || (async () => {
      const packed = Uint8Array.from(atob(one("#library").textContent), (character) => character.charCodeAt(0));
      const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
      const script = document.createElement("script");
      script.textContent = await new Response(stream).text();
      document.head.append(script);
      return window.vegaEmbed;
    })();
    return library;
  }

  async function enliven(picture) {
    const embed = await load();
    const place = document.createElement("div");
    place.className = "live";
    place.setAttribute("aria-hidden", "true");
    picture.closest(".picture-scroll").classList.add("alive");
    picture.append(place);
    const still = one(".still", picture);
    still.hidden = true;
    const narrow = picture.clientWidth < 480;
    const config = narrow ? { ...page.config, axis: { ...page.config.axis, labelLimit: 110 } } : page.config;
    try {
      await embed(place, page.specs[picture.dataset.picture], {
        mode: "vega-lite", ast: true, actions: false, defaultStyle: false, renderer: "svg",
        config: config, tooltip: tooltip, logLevel: 1,
      });
    } catch (error) {
      place.remove();
      still.hidden = false;
    }
    reach(picture.closest(".picture-scroll"));
  }

  // What scrolls can be reached by keyboard; what does not is no stop on the way.
  const reach = (box) => {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  };
  if ("ResizeObserver" in window) {
    const sizes = new ResizeObserver((changes) => changes.forEach((change) => reach(change.target)));
    for (const box of all(".scroll")) sizes.observe(box);
  }

  const pictures = all("[data-picture]");
  if (pictures.length === 0 || !("DecompressionStream" in window) || !("IntersectionObserver" in window)) return;
  const watcher = new IntersectionObserver((seen) => {
    for (const entry of seen) {
      if (!entry.isIntersecting) continue;
      watcher.unobserve(entry.target);
      enliven(entry.target);
    }
  }, { rootMargin: "300px" });
  for (const picture of pictures) watcher.observe(picture);
})();
