// What of a page cannot be read or seen, told to the page around it as JSON.
addEventListener("load", () => {
  const channels = (colour) => {
    const [r, g, b, a = 1] = colour.match(/[\d.]+/g).map(Number);
    return [r, g, b, a];
  };
  // relative luminance and contrast: WCAG 2.2
  const luminance = (rgb) => {
    const [r, g, b] = rgb.slice(0, 3).map((v) => {
      const c = v / 255;
      return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = channels(getComputedStyle(e).backgroundColor);
      if (colour[3] > 0) return colour;
    }
    return [255, 255, 255, 1];
  };
  const faint = [];
  let texts = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest("script, style, title, desc")) continue;
    texts += 1;
    const style = getComputedStyle(element);
    const ink = channels(element.closest("svg") ? style.fill : style.color);
    const found = ink[3] * Number(style.opacity) < 1 ? 0 : contrast(ink, ground(element));
    if (found < 4.5) faint.push([walker.currentNode.data.trim().slice(0, 40), found]);
  }
  const outside = [...document.body.querySelectorAll("*")]
    .filter((e) => !e.closest(".scroll > *, svg *, script, .heard"))
    .filter((e) => e.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5)
    .map((e) => e.outerHTML.slice(0, 80));
  const isNamed = (e) =>
    e.getAttribute("aria-hidden") === "true" ||
    e.getAttribute("alt") ||
    (e.getAttribute("role") === "img" &&
      (e.getAttribute("aria-labelledby") || "")
        .split(" ")
        .every((id) => document.getElementById(id)?.textContent.trim()));
  const unnamed = [...document.querySelectorAll("img, svg")].filter((e) => !isNamed(e)).length;
  const { scrollWidth, clientWidth, scrollHeight } = document.documentElement;
  const found = {
    innerWidth,
    scrollWidth,
    clientWidth,
    height: scrollHeight,
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
    texts,
    faint,
    outside,
    unnamed,
  };
  parent.postMessage(JSON.stringify(found), "*");
});
