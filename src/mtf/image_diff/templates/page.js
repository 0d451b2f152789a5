"use strict";
// Lists the rows of each group, a part at a time. All text is set as text, never as markup.
(() => {
  const CHUNK = 120;
  const data = JSON.parse(document.getElementById("data").textContent);
  const find = document.getElementById("find");
  const made = (name, text, kind) => {
    const element = document.createElement(name);
    if (text) element.textContent = text;
    if (kind) element.className = kind;
    return element;
  };
  const picture = (bytes, words, of) => {
    const figure = made("figure");
    const image = made("img");
    image.alt = `${of}, ${words}`;
    image.src = `data:image/jpeg;base64,${bytes}`;
    figure.append(image, made("figcaption", words));
    return figure;
  };
  const item = ([title, text, note, before, after]) => {
    const element = made("li");
    const heading = made("h3");
    // A long path breaks where its parts end.
    for (const part of title.split(/(?<=[/_])/)) heading.append(part, made("wbr"));
    element.append(heading, made("p", text));
    if (before === -1) {
      element.append(made("p", "No picture of it can be shown.", "note"));
    } else if (before || after) {
      const pair = made("div", "", "pair");
      if (before) pair.append(picture(before, "before", title));
      if (after) pair.append(picture(after, "after", title));
      element.append(pair);
    }
    if (note) element.append(made("p", note, "note"));
    return element;
  };
  const lists = [...document.querySelectorAll(".rows")].map((list) => {
    const button = list.parentElement.querySelector(".more button");
    const onPaper = list.parentElement.querySelector(".on-paper");
    const state = { rows: data[list.dataset.group], shown: 0 };
    const more = () => {
      const first = state.shown;
      list.append(...state.rows.slice(first, first + CHUNK).map(item));
      state.shown = Math.min(state.rows.length, first + CHUNK);
      const left = state.rows.length - state.shown;
      button.hidden = left === 0;
      button.textContent = `Show more of: ${list.dataset.title} (${left} left)`;
      onPaper.textContent = left ? `${left} more are on the page, and not on paper.` : "";
      return list.children[first];
    };
    button.addEventListener("click", () => {
      const next = more();
      next.tabIndex = -1;
      next.focus();
    });
    state.filter = (words) => {
      const all = data[list.dataset.group];
      state.rows = all.filter((row) => words.every((word) => row.slice(0, 3).join(" ").toLowerCase().includes(word)));
      state.shown = 0;
      list.replaceChildren();
      more();
      return state.rows.length;
    };
    more();
    return state;
  });
  find.parentElement.hidden = false;
  find.addEventListener("input", () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    find.parentElement.classList.toggle("used", words.length > 0);
    const count = lists.reduce((sum, list) => sum + list.filter(words), 0);
    document.getElementById("found").textContent = words.length ? `Rows: ${count}` : "";
  });
})();
